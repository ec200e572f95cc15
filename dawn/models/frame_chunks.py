"""Processing of frames (or pixels) in chunks, so that intermediate activations stay in cache.

A network keeps a few feature maps of all frames, but its intermediate activations are many times larger. A function
that treats each frame (or pixel) separately gives the same numbers for any chunk, so the chunk is chosen to fit the
cache. Statistics over all frames are accumulated chunk by chunk: :class:`dawn.models.group_norm.GroupStatistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
