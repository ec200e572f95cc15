"""A training of two tiny networks, which takes the loop a fraction of a second."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dawn.config import Schedule
from dawn.training.batch_shard import Share, each_randn
from dawn.training.distributed import Crew
from dawn.training.loop import train

SCHEDULE = Schedule(steps=60, batch=4, lr=1e-2, ema=0.9, checkpoint_every=7, log_every=5, threads=1)
SETTINGS: dict[str, Any] = {"stage": "toy", "schedule": SCHEDULE, "total": 60, "seed": 3, "config": "{}"}


class Toy:
    """Two networks in an adversarial pair, with dropout and batch statistics: every kind of state."""

    groups = (("maker",), ("judge",))

    def __init__(self, pause: float = 0.0) -> None:
        torch.manual_seed(0)
        self.pause = pause
        maker = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))
        self.networks: dict[str, nn.Module] = {"maker": maker, "judge": nn.Linear(3, 1)}
        self.frozen: dict[str, nn.Module] = {}

    def loss(self, share: Share, group: int) -> dict[str, torch.Tensor]:
        time.sleep(self.pause)
        x = each_randn((3,), share.generators())
        if group == 0:
            self.made = self.networks["maker"](x)
            return {"fit": (self.made - x).square().mean(), "fool": -self.networks["judge"](self.made).mean()}
        return {"judge": self.networks["judge"](self.made.detach()).mean() - self.networks["judge"](x).mean()}


def run(out: Path, pause: float = 0.0, fingerprint: str = "same") -> Path:
    return train(
        Toy(pause),
        Crew(),
        stage="toy",
        schedule=SCHEDULE,
        total=60,
        out=out,
        seed=3,
        fingerprint=fingerprint,
        config="{}",
    )
