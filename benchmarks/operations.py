"""Operations of a training step, by stage: of one sample, and operators of a step.

They are counted for one sample of each stage's training step (targets, loss, gradients, of every optimiser), computed
on this machine. A sample is as long as a batch is on average, but at most `frames` frames: beyond that, operations are
assumed proportional to frames. `dawn plan` estimates stages that were not measured by these numbers
(dawn/plan/measured.yaml).
"""

from __future__ import annotations

import pandas as pd
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.launches import Operators
from benchmarks.training import Drawn
from dawn.config import Config, parse
from dawn.models.lfg import LatentFlowGenerator
from dawn.stages import clips_of, stages_of
from dawn.training.a2v import A2vTask
from dawn.training.batch_shard import BatchShard
from dawn.training.lfg import LfgTask
from dawn.training.pbnet import PbnetTask
from dawn.training.task import Task
from eval.extract.lip_windows import VIDEO_WINDOW
from eval.studies.train_syncnet import PER_CLIP, LipSampler, SyncnetTask


def by_stage(config: Config, frames: int) -> pd.DataFrame:
    """Count the operations of a configuration's stages and of its SyncNet, one row each.

    frames: longest sample that is counted. Columns: 1e9 operations per sample (a product and its sum are two), and
    operators per pass as a CPU computes them, views excluded: about the kernels of a GPU (those of A2V:
    :mod:`benchmarks.launches`).
    """
    rows = [(stage, *operations(config, stage, frames)) for stage in stages_of(config)]
    rows.append(("syncnet", *syncnet_operations(config)))
    table = pd.DataFrame(rows, columns=["stage", "operations", "operators"])
    return table.assign(gflop_a_sample=table.pop("operations") / 1e9)


def operations(config: Config, stage: str, frames: int) -> tuple[float, int]:
    """Count the operations of one sample in one step of `stage`, a product and its sum being two, and its operators."""
    tree = config.model_dump(mode="json")
    scale, perceptual = 1.0, 0.0
    if stage.startswith("a2v"):
        own = clips_of(config, stage)
        mean = (own.frames_min + own.frames_max) / 2
        counted = min(round(mean), frames)
        scale = mean / counted
        tree["a2v"][stage.removeprefix("a2v_")] |= {"frames_min": counted, "frames_max": counted}
        if stage == "a2v_stage2":  # stage 1 is the shorter one
            tree["a2v"]["stage1"] |= {"frames_min": counted - 1, "frames_max": counted - 1}
    if stage == "lfg" and config.lfg.train.loss.perceptual:
        perceptual = _perceptual(config)
        tree["lfg"]["train"]["loss"]["perceptual"] = 0  # counted without its network's weights
    task = _task(parse(tree), stage)
    for network in task.networks.values():
        network.train()
    shard = BatchShard(seed=1, stage=stage, step=0, batch=1, samples=range(1))
    batch = task.sampler(shard)
    operators = Operators()
    with FlopCounterMode(display=False) as counter, operators:
        for group in range(len(task.groups)):
            torch.stack(list(task.loss(batch, shard, group).values())).sum().backward()
    return scale * counter.get_total_flops() + perceptual, operators.counts.total()


def syncnet_operations(config: Config) -> tuple[float, int]:
    """Count the operations of one window in a training step of SyncNet, and the step's operators."""
    model = config.evaluate.syncnet
    sampler = LipSampler(model.side, Drawn(config, PER_CLIP + VIDEO_WINDOW))
    task = SyncnetTask(model, sampler)
    task.net.train()
    shard = BatchShard(seed=1, stage="syncnet", step=0, batch=1, samples=range(1))
    batch = sampler(shard)
    operators = Operators()
    with FlopCounterMode(display=False) as counter, operators:
        task.loss(batch, shard, 0)["contrast"].backward()
    return counter.get_total_flops() / PER_CLIP, operators.counts.total()


def _task(config: Config, stage: str) -> Task:
    store = Drawn(config, max(config.pbnet.train.frames, config.a2v.stage2.frames_max))
    if stage == "lfg":
        return LfgTask(config, store, 1)
    if stage == "pbnet":
        return PbnetTask(config, store, 1)
    return A2vTask(config, clips_of(config, stage), store, LatentFlowGenerator(config.lfg.model))


def _perceptual(config: Config) -> float:
    """Count the operations of the perceptual loss of one sample.

    VGG-19 to its fifth depth is applied to the real frame and to the generated one, with gradients to the latter's
    pixels.
    """
    net = torchvision.models.vgg19(weights=None).features[:30].requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        for scale in config.lfg.train.loss.scales:
            side = int(config.corpus.resolution * scale)
            made = torch.rand(1, 3, side, side, requires_grad=True)
            net(made).sum().backward()
            net(torch.rand(1, 3, side, side))
    return float(counter.get_total_flops())
