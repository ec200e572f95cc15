"""Work on runs of frames, or of pixels, so that what is made on the way stays small and near the processor.

What a network holds for all frames is a few maps; what it makes while it computes them is many times that. A function
that treats each frame (or pixel) by itself gives the same numbers for any run, so a run is chosen to fit the cache.
Statistics over all frames are gathered run by run and pooled: :class:`Moments`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CACHE = 2**20  # numbers made at once by a CPU thread: 4 MiB in float32, so that a few such tensors stay near it
BUSY = 2**26  # numbers that keep a GPU busy


def fitting(device: torch.device) -> int:
    """Numbers made at once that suit a device."""
    return CACHE * torch.get_num_threads() if device.type == "cpu" else BUSY


@dataclass(frozen=True)
class Runs:
    """How many numbers may be made at once; None: everything in one run, as gradients need."""

    working: int | None
    compiled: bool = False  # each kind of run is compiled when it is first met

    def length(self, x: Tensor, axis: int, width: int) -> int:
        """Slices of `x` along `axis` in a run, where each token of x (its last axis) gives rise to `width` numbers."""
        slices = x.shape[axis]
        if self.working is None:
            return slices
        return min(slices, max(1, self.working * slices * x.shape[-1] // (x.numel() * width)))

    def over(
        self,
        fn: Callable[..., Tensor],
        given: Sequence[Tensor],
        *,
        axis: int,
        width: int,
        into: Tensor | None = None,
    ) -> Tensor:
        """``fn(run, *parts)`` of the runs of `given` along `axis`, put together; `run` is the slice that parts are of.

        `fn` must keep that axis. The result takes the place of `into`, one of `given` that is not used again, where
        there are several runs.
        """
        if self.compiled:
            fn = torch.compile(fn)
        length = self.length(given[0], axis, width)
        total = given[0].shape[axis]
        if length == total:
            return fn(slice(0, total), *given)
        made = into
        for start in range(0, total, length):
            run = slice(start, min(start + length, total))
            part = fn(run, *(x.narrow(axis, run.start, run.stop - run.start) for x in given))
            if made is None:
                made = part.new_empty(*part.shape[:axis], total, *part.shape[axis + 1 :])
            made.narrow(axis, run.start, run.stop - run.start).copy_(part)
        assert made is not None
        return made


class Moments:
    """Mean and variance of each channel group over the frames and pixels of a sample, gathered run by run."""

    def __init__(self, groups: int) -> None:
        self.groups = groups
        self.parts: list[tuple[int, Tensor, Tensor]] = []

    def add(self, x: Tensor) -> None:
        """Take in a run (b, f, h, w, c)."""
        mean, variance = _GroupMoments.apply(x, self.groups)
        self.parts.append((x[0].numel(), mean, variance))

    def pooled(self) -> tuple[Tensor, Tensor]:
        """Mean and variance (b, groups) of all that was added, float32; the same for any runs, to rounding."""
        if len(self.parts) == 1:
            return self.parts[0][1:]
        counts, every_mean, every_variance = zip(*self.parts, strict=True)
        means, variances = torch.stack(every_mean), torch.stack(every_variance)
        share = torch.tensor(counts, dtype=means.dtype, device=means.device)
        share = (share / share.sum())[:, None, None]
        mean = (share * means).sum(0)
        return mean, (share * (variances + (means - mean).square())).sum(0)


class _GroupMoments(torch.autograd.Function):
    """Mean and variance (b, groups) of x (b, f, h, w, c); one pass over x on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        work = x.float()
        tokens = tuple(range(1, x.dim() - 1))

        def pool(channels: Tensor) -> Tensor:
            return channels.unflatten(-1, (groups, -1)).mean(-1)

        mean = pool(work.mean(tokens))
        centred = work - _each(mean, x)
        variance = pool(centred.square_().mean(tokens))
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_variance: Tensor) -> tuple[Tensor, None]:
        x, mean = ctx.saved_tensors
        count = x[0].numel() // mean.shape[1]
        slope = grad_variance * (2 / count)
        return torch.addcmul(_each(grad_mean / count - slope * mean, x), x, _each(slope, x)).to(x.dtype), None


def _each(groups: Tensor, x: Tensor) -> Tensor:
    """(b, groups) to each channel of x (b, ..., c), ready to broadcast."""
    channels = groups.repeat_interleave(x.shape[-1] // groups.shape[1], dim=1)
    return channels.view(x.shape[0], *(1,) * (x.dim() - 2), -1)
