"""A task of two tiny networks that the training loop finishes in a fraction of a second."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dawn.config import Schedule, ValidationSchedule
from dawn.models.weights_io import save_weights
from dawn.training.batch_shard import BatchShard, collate
from dawn.training.distributed import Distributed
from dawn.training.loop import Weights, train

SCHEDULE = Schedule(steps=60, batch=4, lr=1e-2, ema=0.9, checkpoint_every=7, log_every=5, threads=1)
SETTINGS: dict[str, Any] = {
    "stage": "toy",
    "schedule": SCHEDULE,
    "total": 60,
    "seed": 3,
    "config": "{}",
}
# The learning rate is so high that the validation loss soon rises again.
VALIDATED = SCHEDULE.model_copy(
    update={"lr": 0.1, "validation": ValidationSchedule(every=4, batches=3, patience=3), "log_every": 3}
)


class ToyBatch(NamedTuple):
    x: torch.Tensor  # (b, 3)


def sample(shard: BatchShard) -> ToyBatch:
    """Draw the batch of a shard."""
    return collate(ToyBatch(torch.randn(3, generator=generator)) for generator in shard.generators())


class Toy:
    """A generator and a discriminator, with dropout and batch normalisation: every kind of training state.

    `pause` seconds pass before each loss, so that a test can kill the run between steps.
    """

    groups = (("generator",), ("discriminator",))
    adversarial = frozenset({"gan"})
    sampler = staticmethod(sample)

    def __init__(self, pause: float = 0.0) -> None:
        torch.manual_seed(0)
        self.pause = pause
        generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))
        self.networks: dict[str, nn.Module] = {"generator": generator, "discriminator": nn.Linear(3, 1)}
        self.frozen: dict[str, nn.Module] = {}

    def loss(self, batch: ToyBatch, shard: BatchShard, group: int) -> dict[str, torch.Tensor]:
        time.sleep(self.pause)
        discriminator = self.networks["discriminator"]
        (x,) = batch
        if group == 0:
            self.generated = self.networks["generator"](x)
            reconstruction = (self.generated - x).square().mean()
            return {"reconstruction": reconstruction, "gan": -discriminator(self.generated).mean()}
        return {"discriminator": discriminator(self.generated.detach()).mean() - discriminator(x).mean()}


def run(out: Path, pause: float = 0.0, fingerprint: str = "same", workers: int = 0) -> Path:
    """Train :class:`Toy` for 60 steps, whose batches `workers` load; returns the path of its weights."""
    return save(out, train(Toy(pause), Distributed(), out=out, fingerprint=fingerprint, workers=workers, **SETTINGS))


def run_validated(out: Path, pause: float = 0.0) -> Path:
    """Train :class:`Toy` with validation; returns the path of its weights, which the main process writes."""
    distributed = Distributed()
    settings = SETTINGS | {"schedule": VALIDATED}
    weights = train(Toy(pause), distributed, out=out, fingerprint="same", validation_task=Toy(), **settings)
    return save(out, weights) if distributed.is_main_process else out


def join_validated(rank: int, port: int, out: Path, pause: float = 0.0) -> None:
    """:func:`run_validated` as process `rank` of two that a launcher started."""
    group = {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in group.items()})
    run_validated(out, pause)


def save(out: Path, weights: Weights) -> Path:
    """Write trained weights below `out`; returns their path."""
    path = out / "weights.safetensors"
    save_weights(path, weights, {})
    return path
