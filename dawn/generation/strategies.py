"""Registry of the strategies, which share networks, sampler and decoder with DAWN (docs/explanation/strategies.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.generation import ar, nar, sar, ttr
from dawn.generation.nar import Motion, Source, decode
from dawn.generation.networks import Networks


class Strategy(Protocol):
    """Frames (S, S, 3) RGB of a source that gives `speech` (n, c) with `pose` (n, 6) and `blink` (n, 2).

    All work is done while frames are taken; all noise comes from `generator`.
    """

    def __call__(
        self,
        nets: Networks,
        source: Source,
        speech: NDArray[np.float32],
        pose: NDArray[np.float32],
        blink: NDArray[np.float32],
        generator: torch.Generator,
    ) -> Iterator[NDArray[np.uint8]]: ...


class _MotionFirst:
    """The strategy of a `sample_motion`: all motion, then the pictures."""

    def __init__(self, sample_motion: Callable[..., Motion]) -> None:
        self._sample_motion = sample_motion

    def __call__(
        self,
        nets: Networks,
        source: Source,
        speech: NDArray[np.float32],
        pose: NDArray[np.float32],
        blink: NDArray[np.float32],
        generator: torch.Generator,
    ) -> Iterator[NDArray[np.uint8]]:
        yield from decode(nets, source, self._sample_motion(nets, source, speech, pose, blink, generator))


COVER: dict[str, Strategy] = {
    "nar": _MotionFirst(nar.sample_motion),
    "sar": _MotionFirst(sar.sample_motion),
    "ttr": _MotionFirst(ttr.sample_motion),
    "ar": ar.frames,
}


class Timed:
    """Frames as they are taken, and the seconds spent on making them; what is done with them is not counted."""

    def __init__(self, frames: Iterator[NDArray[np.uint8]]) -> None:
        self._frames = frames
        self.seconds = 0.0

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        while True:
            clock = time.perf_counter()
            frame = next(self._frames, None)
            self.seconds += time.perf_counter() - clock
            if frame is None:
                return
            yield frame
