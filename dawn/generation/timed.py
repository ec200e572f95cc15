"""Measurement of generation time, without the time that the consumer of the frames takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class Timed:
    """Iterator over frames that sums the time of generating them in `seconds`."""

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
