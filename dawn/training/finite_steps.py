"""Optimiser steps with finite gradients only: others are skipped and counted, without reading the GPU at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dawn.errors import InputError

IN_A_ROW = 10  # skipped steps that end a training: weights that change no more cannot recover


class FiniteSteps:
    """Guard of a training's steps: a step whose gradient is not finite leaves weights and statistics unchanged.

    Statistics are those of the batch normalisations of `networks`, which the forward pass has already updated.
    """

    def __init__(self, networks: nn.Module, device: torch.device, skipped: float = 0) -> None:
        named = dict(networks.named_buffers())
        self.statistics = [value for name, value in named.items() if ".running_" in name]
        self._counts = [value for name, value in named.items() if name.endswith("num_batches_tracked")]
        self.skipped = torch.tensor(float(skipped), device=device)  # optimiser steps since the start of the training
        self._in_a_row = torch.zeros((), device=device)
        self._bad = torch.zeros((), device=device)
        self._before = self._state()

    def begin(self) -> None:
        """Start a training step, before its forward pass."""
        self._before = self._state()
        self._bad = torch.zeros_like(self._bad)

    def rewind(self) -> None:
        """Restore the statistics of before the step, whose forward passes are computed again."""
        self._restore(self._before)

    def update(self, optimizer: torch.optim.Optimizer, norm: Tensor) -> None:
        """Apply a fused optimiser to gradients of norm `norm`, unless it is not finite."""
        bad = 1 - torch.isfinite(norm).float()
        optimizer.found_inf = bad  # type: ignore[attr-defined]  # a fused optimiser does nothing where it is 1
        optimizer.step()
        self._bad = torch.maximum(self._bad, bad)

    def end(self) -> None:
        """End a training step: count it, and restore the statistics if it was skipped."""
        pairs = zip(self._before, self._state(), strict=True)
        self._restore([torch.where(self._bad > 0, before, after) for before, after in pairs])
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

    def _state(self) -> list[Tensor]:
        """Copy statistics and counts, each into one tensor."""
        values = [torch.cat([value.flatten() for value in self.statistics])] if self.statistics else []
        return values + ([torch.stack(self._counts)] if self._counts else [])

    def _restore(self, state: list[Tensor]) -> None:
        buffers = [group for group in (self.statistics, self._counts) if group]
        for group, flat in zip(buffers, state, strict=True):
            parts = flat.split([value.numel() for value in group])
            torch._foreach_copy_(group, [part.view_as(value) for part, value in zip(parts, group, strict=True)])
