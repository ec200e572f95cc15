"""Optimiser steps with finite gradients only: others are skipped and counted, without reading the GPU at each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dawn.errors import InputError

IN_A_ROW = 10  # skipped steps that end a training: weights that change no more cannot recover


class FiniteSteps:
    """Guard of a training's steps: a step whose gradient is not finite leaves weights and statistics unchanged.

    `statistics` are the running statistics of batch normalisation, which the forward pass has already updated.
    """

    def __init__(self, statistics: Sequence[Tensor], device: torch.device, skipped: float = 0) -> None:
        self.statistics = list(statistics)
        self.skipped = torch.tensor(float(skipped), device=device)  # optimiser steps since the start of the training
        self._in_a_row = torch.zeros((), device=device)
        self._before = torch.zeros(0, device=device)
        self._bad = torch.zeros((), device=device)

    def begin(self) -> None:
        """Start a training step, before its forward pass."""
        if self.statistics:
            self._before = torch.cat([value.flatten() for value in self.statistics])
        self._bad = torch.zeros_like(self._bad)

    def update(self, optimizer: torch.optim.Optimizer, norm: Tensor) -> None:
        """Apply a fused optimiser to gradients of norm `norm`, unless it is not finite."""
        bad = 1 - torch.isfinite(norm).float()
        optimizer.found_inf = bad  # type: ignore[attr-defined]  # a fused optimiser does nothing where it is 1
        optimizer.step()
        self._bad = torch.maximum(self._bad, bad)

    def end(self) -> None:
        """End a training step: count it, and restore the statistics if it was skipped."""
        if self.statistics:
            after = torch.cat([value.flatten() for value in self.statistics])
            kept = torch.where(self._bad > 0, self._before, after).split([value.numel() for value in self.statistics])
            views = [part.view_as(value) for part, value in zip(kept, self.statistics, strict=True)]
            torch._foreach_copy_(self.statistics, views)
        self.skipped += self._bad
        self._in_a_row = (self._in_a_row + 1) * self._bad

    def check(self, stage: str, done: int, steps: int, last: bool) -> None:
        """Raise InputError when the latest :data:`IN_A_ROW` steps were skipped, or all `steps` up to the `last` one.

        `done` is the number of the latest step. This reads the GPU.
        """
        in_a_row = int(self._in_a_row)
        if in_a_row >= IN_A_ROW or (last and in_a_row >= steps):
            raise InputError(
                f"{stage}: the gradient is not finite in the last {in_a_row} steps up to step {done}; the newest "
                "checkpoint is kept: lower the learning rate or set precision: exact, and train again"
            )
