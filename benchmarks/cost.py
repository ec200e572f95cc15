"""Operations and GPU hours of training with a configuration, by stage.

Operations are counted for one sample of each stage's training step (targets, loss, gradients, of every optimiser),
computed on this machine; steps and batch are the configuration's. A sample is as long as a batch is on average, but at
most `frames` frames: beyond that, operations are assumed proportional to frames. Hours are the operations divided by
the rate `tflops` that one GPU sustains: an estimate that counts computation only.
"""

from __future__ import annotations

import pandas as pd
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.training import Drawn
from dawn.config import Config, parse
from dawn.models.lfg import LatentFlowGenerator
from dawn.schedules import total_steps
from dawn.stages import clips_of, schedule_of, stages_of
from dawn.training.a2v import A2vTask
from dawn.training.batch_shard import BatchShard
from dawn.training.lfg import LfgTask
from dawn.training.pbnet import PbnetTask
from dawn.training.task import Task


def cost(config: Config, clips: int, frames: int, tflops: float) -> pd.DataFrame:
    """Compute the cost of training on `clips` clips, one row per stage and one of all stages.

    frames: longest sample that is counted. tflops: TFLOP/s that one GPU sustains. Columns: steps, batch, 1e9 operations
    per sample (a product and its sum are two), 1e18 operations in all, GPU hours.
    """
    rows = []
    for stage in stages_of(config):
        schedule = schedule_of(config, stage)
        steps = total_steps(schedule, clips)
        sample = operations(config, stage, frames)
        total = sample * schedule.batch * steps
        rows.append((stage, steps, schedule.batch, sample / 1e9, total / 1e18, total / (tflops * 1e12) / 3600))
    table = pd.DataFrame(rows, columns=["stage", "steps", "batch", "gflop_a_sample", "eflop", "gpu_hours"])
    whole = {"stage": "all", "eflop": table.eflop.sum(), "gpu_hours": table.gpu_hours.sum()}
    return pd.concat([table, pd.DataFrame([whole])], ignore_index=True)


def operations(config: Config, stage: str, frames: int) -> float:
    """Count the operations of one sample in one step of `stage`; a product and its sum are two."""
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
    with FlopCounterMode(display=False) as counter:
        for group in range(len(task.groups)):
            torch.stack(list(task.loss(batch, shard, group).values())).sum().backward()
    return scale * counter.get_total_flops() + perceptual


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
