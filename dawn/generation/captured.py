"""Passes of the denoiser replayed from a CUDA graph.

A pass of a short video is about a thousand kernels, which a CPU launches more slowly than a GPU computes them. A graph
holds all launches of a pass and replays them at once, for all steps of a video and for further videos of its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dawn.models.conditioning import Directions
from dawn.models.diffusion import Network
from dawn.models.unet3d import ConditionCache

CAPTURED = 2**19  # pixels of all frames: the kernels of a longer video take longer than their launches

Build: TypeAlias = "Callable[[Sequence[ConditionCache]], Network]"  # a network from the conditions of its passes


class CapturedNetwork:
    """Network whose second call captures a CUDA graph on `stream`, and whose later calls replay it.

    All calls have one shape. The first one initialises the libraries, which a capture does not allow. Without memory
    for a graph, which cannot share that of other work, calls launch their kernels one by one.
    """

    def __init__(self, build: Build, conditions: Sequence[ConditionCache], stream: torch.cuda.Stream) -> None:
        self.network = build(conditions)
        self.conditions = conditions
        self._stream = stream
        self._initialised, self._fits = False, True
        self._graph: torch.cuda.CUDAGraph | None = None

    def refill(self, conditions: Sequence[ConditionCache]) -> None:
        """Copy the conditions of another video of the same length to where the graph reads them."""
        torch._foreach_copy_(_tensors(self.conditions), _tensors(conditions))

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Compute the network's output for x_t and t."""
        x = x.contiguous()  # as in the first call: other strides would be other kernels
        if self._initialised and self._graph is None and self._fits:
            self._graph = self._capture(x, t)
        if self._graph is None:
            return self._launched(x, t)
        self._x.copy_(x)
        self._t.copy_(t)
        self._graph.replay()
        return self._output.clone()  # solvers keep outputs of earlier steps

    def _launched(self, x: Tensor, t: Tensor) -> Tensor:
        """Launch the network's kernels on the stream of captures."""
        current = torch.cuda.current_stream(x.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            output = self.network(x, t)
        current.wait_stream(self._stream)
        output.record_stream(current)
        self._initialised = True
        return output

    def _capture(self, x: Tensor, t: Tensor) -> torch.cuda.CUDAGraph | None:
        """Capture a call; returns None when the GPU's memory does not suffice."""
        graph = torch.cuda.CUDAGraph()
        self._x, self._t = x.clone(), t.clone()
        # Memory that earlier work left to the allocator cannot be freed, nor used, during a capture.
        torch.cuda.synchronize(x.device)
        torch.cuda.empty_cache()
        try:
            with torch.cuda.stream(self._stream):
                # Another thread may allocate page-locked memory meanwhile, which a global capture does not allow.
                graph.capture_begin(capture_error_mode="thread_local")
                try:
                    self._output = self.network(self._x, self._t)
                finally:
                    graph.capture_end()
        except torch.OutOfMemoryError:
            self._fits = False
            return None
        torch.cuda.current_stream(x.device).wait_stream(self._stream)
        return graph


class Captures:
    """The captured network of the latest length, whose memory it keeps."""

    def __init__(self) -> None:
        self._key: Any = None
        self._captured: CapturedNetwork | None = None
        self._stream: torch.cuda.Stream | None = None

    def network(self, key: Any, shape: tuple[int, ...], build: Build, conditions: Sequence[ConditionCache]) -> Network:
        """Return the network of `build` for motion of `shape` (b, 3, f, h, w), captured where that is faster.

        Networks of equal `key` differ in `conditions` alone.
        """
        pixels = shape[0] * shape[2] * shape[3] * shape[4]
        if conditions[0].stem.device.type != "cuda" or pixels > CAPTURED or not all(map(_is_one_chunk, conditions)):
            return build(conditions)
        if self._captured is None or self._key != (key, shape):
            self._captured = None  # frees its memory
            self._stream = self._stream or torch.cuda.Stream(conditions[0].stem.device)
            self._captured, self._key = CapturedNetwork(build, conditions, self._stream), (key, shape)
        else:
            self._captured.refill(conditions)
        return self._captured


def _is_one_chunk(cache: ConditionCache) -> bool:
    return all(isinstance(tokens, Directions) for tokens in cache.tokens.values())


def _tensors(conditions: Sequence[ConditionCache]) -> list[Tensor]:
    """List the tensors that differ between videos of equal length."""
    tensors = [cache.stem for cache in conditions]
    for cache in conditions:
        for directions in cache.tokens.values():
            assert isinstance(directions, Directions)
            tensors += directions
    return tensors
