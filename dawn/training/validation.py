"""Validation of a training on held-out clips: the losses, the best weights, and the end when they improve no more."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dawn.config import ValidationSchedule
from dawn.errors import InputError
from dawn.precision import Products, precise_products
from dawn.training.batch_shard import BatchShard, part_of
from dawn.training.distributed import Distributed
from dawn.training.division import Division
from dawn.training.loader import BatchLoader
from dawn.training.task import Task


class Validation:
    """Losses of a training on `schedule.batches` batches of held-out clips, and its best weights.

    `task` is the trained task on held-out clips. Its networks are copies that receive the weights at each validation:
    neither statistics nor random numbers of the training change. Batches are those of the training's sampler, drawn
    from a stream of random numbers of their own that is the same at each validation; `shard` gives seed, stage and
    this process's samples. The losses are those of the first group of networks, with the weights that they have after
    `total` steps. The validation loss is their sum without adversarial losses, which compare networks that change
    together. A loss that is not finite is no improvement.

    ``best`` is the state dict of the lowest loss, on the CPU. Every process has the same values.
    """

    def __init__(
        self,
        task: Task,
        schedule: ValidationSchedule,
        shard: BatchShard,
        total: int,
        division: Division,
        distributed: Distributed,
        products: Products,
    ) -> None:
        self.every = schedule.every
        self.best: dict[str, Tensor] = {}
        self._task = task
        self._schedule = schedule
        self._shard = replace(shard, stage=f"{shard.stage}/validation")
        self._total = total
        self._division = division
        self._distributed = distributed
        self._products = products
        self._networks = nn.ModuleDict(task.networks).to(distributed.device).eval().requires_grad_(False)
        nn.ModuleDict(task.frozen).to(distributed.device)
        self._step = self._best_step = 0
        self._best_loss = math.inf
        self._without = 0  # validations in a row that brought no improvement

    @property
    def ended(self) -> bool:
        """Whether the training ends: the latest `schedule.patience` validations brought no improvement."""
        return self._without >= self._schedule.patience

    @property
    def state(self) -> dict[str, Any]:
        """Values to continue from, with the best weights."""
        return {
            "step": self._step,
            "best_step": self._best_step,
            "best_loss": self._best_loss,
            "without": self._without,
        }

    def restore(self, best: dict[str, Tensor], state: Mapping[str, Any]) -> None:
        """Continue from the best weights and the state of a checkpoint."""
        self.best = best
        self._step, self._best_step = state["step"], state["best_step"]
        self._best_loss, self._without = state["best_loss"], state["without"]

    @property
    def summary(self) -> str:
        """One line on the result of the training."""
        text = f"the weights of step {self._best_step} have the lowest validation loss, {self._best_loss:.5g}"
        if self.ended:
            text += f"; training ended at step {self._step}, as {self._without} validations brought no lower one"
        return text

    def measure(self, weights: Mapping[str, Tensor], step: int) -> dict[str, float]:
        """Compute the losses of `weights` after `step` steps, and keep the weights if theirs is the lowest.

        Every process calls it. Returns the validation loss ``validation`` and ``validation/<name>`` for each loss.
        Raises InputError when a sample does not fit the GPU's memory.
        """
        self._networks.load_state_dict(weights)
        losses = self._losses()
        loss = sum((value for name, value in losses.items() if name not in self._task.adversarial), start=0.0)
        if not self.best or loss < self._best_loss:
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}
            self._best_step, self._best_loss = step, loss if math.isfinite(loss) else math.inf
            self._without = 0
        else:
            self._without += 1
        self._step = step
        return {"validation": loss} | {f"validation/{name}": value for name, value in losses.items()}

    def _losses(self) -> dict[str, float]:
        """Compute the mean losses of all batches, the same in all processes, in as many passes as the memory needs."""
        stage, division = self._shard.stage, self._division
        while True:
            try:
                losses = self._own_losses()
                break
            except torch.OutOfMemoryError:
                if not division.refine():
                    raise InputError(
                        f"{stage}: a batch does not fit the GPU's memory in {division.passes} passes; "
                        "raise accumulate or set precision: bfloat16"
                    ) from None
            torch.cuda.empty_cache()
            print(f"{stage}: {division.passes} passes a batch, to fit the GPU's memory", file=sys.stderr)
        self._distributed.all_reduce_mean(list(losses.values()))
        return self._distributed.from_main_process({name: float(value) for name, value in losses.items()})

    @torch.no_grad()
    def _own_losses(self) -> dict[str, Tensor]:
        """Compute the mean losses of this process's samples of all batches."""
        count, device = self._schedule.batches, self._distributed.device
        sums: dict[str, Tensor] = {}
        bar = tqdm(
            BatchLoader(self._task.sampler, self._shard, 0, count, 0, device),
            total=count,
            desc="validation",
            unit="batch",
            delay=2,
            leave=False,
            dynamic_ncols=True,
            disable=not self._distributed.is_main_process,
        )
        for batch in bar:
            for samples in self._division.shards():
                first = self._shard.samples.start
                part = part_of(batch, slice(samples.start - first, samples.stop - first))
                shard = replace(self._shard, step=self._total, samples=samples)
                with precise_products(self._products):
                    losses = self._task.loss(part, shard, 0)
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0) + value.float() * self._division.weight(samples) / count
        return sums
