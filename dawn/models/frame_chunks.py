"""Processing of frames (or pixels) in chunks, so that intermediate activations stay in cache.

A network keeps a few feature maps of all frames, but its intermediate activations are many times larger. A function
that treats each frame (or pixel) separately gives the same numbers for any chunk, so the chunk is chosen to fit the
cache. Statistics over all frames are accumulated chunk by chunk: :class:`GroupStatistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dawn.precision import widened

CPU_ACTIVATIONS = 2**20  # elements for each CPU thread: 4 MiB in float32, so that a few such tensors fit its cache
GPU_ACTIVATIONS = 2**30  # elements: more do not make a GPU faster
GPU_SHARE = 64  # bytes of a GPU's memory for each of them, with copies and lower levels


def default_activations(device: torch.device) -> int:
    """Return the number of activation elements computed at once that suits a device."""
    if device.type == "cpu":
        return CPU_ACTIVATIONS * torch.get_num_threads()
    if device.type != "cuda":
        return GPU_ACTIVATIONS
    return min(GPU_ACTIVATIONS, torch.cuda.get_device_properties(device).total_memory // GPU_SHARE)


@dataclass(frozen=True)
class FrameChunks:
    """Size of the chunks: at most about `activations` elements computed at once.

    None computes a single chunk, as gradients need.
    """

    activations: int | None
    frame_weights: Tensor | None = None  # (f,) of each frame in statistics, with sum 1; None: equal. For single chunks

    def length(self, x: Tensor, axis: int, width: int) -> int:
        """Compute the slices of `x` along `axis` per chunk, given `width` activation elements per token (last axis)."""
        slices = x.shape[axis]
        if self.activations is None:
            return slices
        return min(slices, max(1, self.activations * slices * x.shape[-1] // (x.numel() * width)))

    def map(
        self,
        fn: Callable[..., Tensor],
        tensors: Sequence[Tensor],
        *,
        axis: int,
        width: int,
        into: Tensor | None = None,
    ) -> Tensor:
        """Concatenate ``fn(chunk, *parts)`` over chunks, where `parts` are `tensors` sliced by `chunk` along `axis`.

        `fn` must keep that axis. With several chunks the result overwrites `into`, one of `tensors` that is not used
        afterwards.
        """
        length = self.length(tensors[0], axis, width)
        total = tensors[0].shape[axis]
        if length == total:
            return fn(slice(0, total), *tensors)
        out = into
        for start in range(0, total, length):
            chunk = slice(start, min(start + length, total))
            part = fn(chunk, *(x.narrow(axis, chunk.start, chunk.stop - chunk.start) for x in tensors))
            if out is None:
                out = part.new_empty(*part.shape[:axis], total, *part.shape[axis + 1 :])
            out.narrow(axis, chunk.start, chunk.stop - chunk.start).copy_(part)
        assert out is not None
        return out


class GroupStatistics:
    """Mean and variance of each channel group over frames and pixels of a sample, accumulated over chunks of frames."""

    def __init__(self, groups: int, frame_weights: Tensor | None = None) -> None:
        self.groups = groups
        self._weights = frame_weights
        self._chunks: list[tuple[int, Tensor, Tensor]] = []  # elements of a sample, mean and variance (b, groups)

    def update(self, x: Tensor) -> None:
        """Add a chunk (b, f, h, w, c)."""
        if self._weights is None:
            mean, variance = _GroupMoments.apply(x, self.groups)
        else:
            mean, variance = _weighted_moments(x, self.groups, self._weights)
        self._chunks.append((x[0].numel(), mean, variance))

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Compute mean and variance (b, groups) over all chunks, at least float32.

        They are equal for any chunks, up to rounding.
        """
        if len(self._chunks) == 1:
            return self._chunks[0][1:]
        counts, chunk_means, chunk_variances = zip(*self._chunks, strict=True)
        fractions = [count / sum(counts) for count in counts]
        # Law of total variance: mean of the chunks' variances plus variance of their means.
        mean = _weighted_sum(chunk_means, fractions)
        spreads = [variance + (m - mean).square() for variance, m in zip(chunk_variances, chunk_means, strict=True)]
        return mean, _weighted_sum(spreads, fractions)


def _weighted_moments(x: Tensor, groups: int, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and variance (b, groups) of x (b, f, h, w, c) with the weights (f,) of its frames."""
    by_group = widened(x).unflatten(-1, (groups, -1))
    variances, means = torch.var_mean(by_group, dim=(2, 3, 5), correction=0)  # (b, f, groups)
    mean = (means * weights[:, None]).sum(1)
    return mean, ((variances + (means - mean[:, None]).square()) * weights[:, None]).sum(1)


def _weighted_sum(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = torch.zeros_like(values[0])
    for value, weight in zip(values, weights, strict=True):
        total = torch.add(total, value, alpha=weight)
    return total


class _GroupMoments(torch.autograd.Function):
    """Mean and variance (b, groups) of x (b, f, h, w, c), with a backward of one pass over x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        work = widened(x)
        tokens = tuple(range(1, x.dim() - 1))
        if x.device.type != "cpu":  # on which one reduction takes five times as long as these three
            variance, mean = torch.var_mean(work.unflatten(-1, (groups, -1)), dim=(*tokens, x.dim()), correction=0)
            ctx.save_for_backward(x, mean)
            return mean, variance

        def group_mean(channels: Tensor) -> Tensor:
            return channels.unflatten(-1, (groups, -1)).mean(-1)

        mean = group_mean(work.mean(tokens))
        centred = work - _per_channel(mean, x)
        variance = group_mean(centred.square_().mean(tokens))
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_variance: Tensor) -> tuple[Tensor, None]:
        x, mean = ctx.saved_tensors
        count = x[0].numel() // mean.shape[1]
        # d mean / d x = 1 / n and d variance / d x = 2 (x - mean) / n
        slope = grad_variance * (2 / count)
        offset = _per_channel(grad_mean / count - slope * mean, x)
        return torch.addcmul(offset, x, _per_channel(slope, x)).to(x.dtype), None


def _per_channel(groups: Tensor, x: Tensor) -> Tensor:
    """Repeat values (b, groups) for each channel of x (b, ..., c), broadcastable to x."""
    channels = groups.repeat_interleave(x.shape[-1] // groups.shape[1], dim=1)
    return channels.view(x.shape[0], *(1,) * (x.dim() - 2), -1)
