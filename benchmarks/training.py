"""Time of a training step: of each stage of a configuration, and of A2V (paper 3.5) against the plain step.

The engine computes the regions of a frame once and caches them, prepares conditions apart from the noisy motion, and
stores feature maps channels last. The plain step recomputes regions each time and trains the plain U-Net.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.clock import timed
from dawn.config import Config, parse
from dawn.config import load as load_config
from dawn.models.lfg import LatentFlowGenerator
from dawn.stages import clips_of, schedule_of
from dawn.training import lfg_losses
from dawn.training.a2v import A2vTask
from dawn.training.batch_shard import BatchShard, moved
from dawn.training.lfg import LfgTask
from dawn.training.lfg_batches import LfgBatch
from dawn.training.pbnet import PbnetTask
from dawn.training.pbnet_batches import PbnetBatch
from dawn.training.task import Task
from tests.reference.plain import PlainUNet3D

CLIPS, FRAMES = 2, 75  # three seconds each, as in the demo
SEGMENT = 100  # frames of a clip in the step of a stage
WARM = 3  # steps; a step samples enough clips that the regions of all are cached after these


def step(path: Literal["engine", "plain"], demo: str, steps: int, everywhere: bool, device: torch.device) -> float:
    """Measure the seconds of a step of stage 2 (targets, forward, backward), the fastest of `steps`.

    demo: configuration file. everywhere: whether the U-Net has attention at all levels, as in the paper, which is the
    plain U-Net's only form; otherwise the two paths differ in the regions only.
    """
    task = task_of(path, demo, everywhere)
    _move(task, device)
    taken = []
    for turn in range(WARM + steps):
        if path == "plain":
            task.region_cache.clear()
        taken.append(timed(lambda: loss(task, turn, device).backward(), device)[0])  # noqa: B023
        for value in (*task.unet.parameters(), *task.mask.parameters()):
            value.grad = None
    return min(taken[WARM:])


def task_of(path: Literal["engine", "plain"], demo: str, everywhere: bool) -> A2vTask:
    """Create the training task, with the same weights on both paths."""
    config = _config(Path(demo), everywhere)
    torch.manual_seed(0)
    task = A2vTask(config, config.a2v.stage2, Drawn(config), LatentFlowGenerator(config.lfg.model))
    if path == "plain" and everywhere:
        plain = Plain(config)
        plain.net.load_state_dict(task.unet.state_dict())
        task.unet = cast(Any, plain)
    return task


def stage_step(
    name: str, config: str, dtype: torch.dtype, steps: int, device: torch.device, compiled: bool = False
) -> tuple[float, int]:
    """Measure the seconds of a step of stage `name` in a configuration file; returns them with the frames of a sample.

    Of `steps` steps it is the fastest for its number of frames. Batches are drawn before and are on the device. VGG-19
    has random weights.
    """
    settings = load_config(Path(config))
    schedule = schedule_of(settings, name)
    clips = Drawn(settings, max(SEGMENT, settings.pbnet.train.frames))
    if name == "lfg":
        with patch.multiple(lfg_losses, _vgg_path=Path, _vgg_slices=_random_vgg):
            task: Task = LfgTask(settings, clips, total=steps)
    elif name == "pbnet":
        task = PbnetTask(settings, clips, total=steps)
    else:
        stage = clips_of(settings, name).model_copy(update={"compile": compiled})
        task = A2vTask(settings, stage, clips, LatentFlowGenerator(settings.lfg.model))
    _move(task, device)
    shards = [BatchShard(1, name, turn, schedule.batch, range(schedule.batch), dtype) for turn in range(WARM + steps)]
    groups = [
        [value for net in group for value in task.networks[net].parameters() if value.requires_grad]
        for group in task.groups
    ]
    optimizers = [torch.optim.AdamW(group, lr=0.0, fused=device.type == "cuda") for group in groups]

    def run(batch: Any, shard: BatchShard) -> None:
        for group, (parameters, optimizer) in enumerate(zip(groups, optimizers, strict=True)):
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(task.loss(batch, shard, group).values())).sum().backward()
            torch.nn.utils.clip_grad_norm_(parameters, 2.0)
            optimizer.step()

    taken = []
    for shard in shards:
        drawn = moved(task.sampler(shard), device)
        seconds = timed(lambda: run(drawn, shard), device)[0]  # noqa: B023
        taken.append((seconds, _frames(drawn)))
    return min(taken[WARM:], key=lambda measured: measured[0] / measured[1])


def _frames(batch: Any) -> int:
    """Return the number of frames of a sample: two of a pair, or the length that the batch has drawn."""
    if isinstance(batch, LfgBatch):
        return batch.images.shape[1]
    sequences = batch.motion if isinstance(batch, PbnetBatch) else batch.frames
    return int(sequences.shape[1])


def _move(task: Task, device: torch.device) -> None:
    for network in (*task.networks.values(), *task.frozen.values()):
        network.to(device).train(network in task.networks.values())
    if isinstance(task, A2vTask):
        task.unet.to(device)  # the plain one is not among them


def _random_vgg(_: Path) -> nn.ModuleList:
    from torchvision.models import vgg19  # takes as long to import as torch

    layers = vgg19(weights=None).features.eval().requires_grad_(False)
    return lfg_losses.vgg_slices(layers)


def loss(task: A2vTask, turn: int, device: torch.device | str = "cpu") -> Tensor:
    """Compute the loss of step `turn`."""
    batch = task.stage.batch
    shard = BatchShard(seed=1, stage="a2v_stage2", step=turn, batch=batch, samples=range(batch))
    drawn = moved(task.sampler(shard), torch.device(device))
    return torch.stack(list(task.loss(drawn, shard, 0).values())).sum()


class Plain(nn.Module):
    """Plain U-Net with the interface of the engine's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.net = PlainUNet3D(config.a2v.model, config.features.speech.dim, 4 * config.lfg.model.expansion)

    def prepare(self, static: Tensor, recompute: bool = False, **conditions: Tensor) -> dict[str, Tensor]:
        """Return the conditions unchanged; all activations are kept."""
        return {"static": static, **conditions}

    def forward(self, x: Tensor, t: Tensor, told: dict[str, Tensor]) -> Tensor:
        """Predict as :class:`dawn.models.unet3d.UNet3D`."""
        return self.net(x, t, window=None, **told)


class Drawn:
    """Clips of noise, with the interface of a clip store: a step's time does not depend on their content."""

    def __init__(self, config: Config, frames: int = FRAMES) -> None:
        make = np.random.default_rng(0)
        side = config.corpus.resolution
        self.video = torch.from_numpy(make.integers(0, 256, (frames, 3, side, side), dtype=np.uint8))
        box = np.asarray([0.25, 0.25, 0.75, 0.75], np.float32) * side
        features: dict[str, NDArray[Any]] = {
            "landmarks": make.uniform(0.25 * side, 0.75 * side, (frames, 68, 2)),
            "pose": make.normal(size=(frames, 6)),
            "blink": make.uniform(0, 0.4, (frames, 2)),
            "speech": make.normal(size=(frames, config.features.speech.dim)),
            "mfcc": make.normal(size=(frames, 4, 13)),
            "face_box": np.tile(box, (frames, 1)),
        }
        self.features = {name: torch.from_numpy(values.astype(np.float32)) for name, values in features.items()}
        self.features["found"] = torch.ones(frames, dtype=torch.bool)

    def __len__(self) -> int:
        return CLIPS

    def length(self, index: int) -> int:
        return len(self.video)

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        return self.features[name][which if isinstance(which, slice) else list(which)]

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        return self.video[which if isinstance(which, slice) else list(which)]


def _config(demo: Path, everywhere: bool) -> Config:
    tree = load_config(demo).model_dump(mode="json")
    if everywhere:
        tree["a2v"]["model"] |= {"temporal_levels": None, "spatial_levels": None, "condition_activation": "silu"}
    return parse(tree)
