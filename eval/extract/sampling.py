"""Which windows of a video a network is applied to; published FVD implementations differ in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Side = Literal["real", "fake"]


@dataclass(frozen=True)
class WindowSampling:
    """Windows of `window` consecutive frames of a video.

    windows: ``all`` of them, `stride` frames apart, a shorter rest left out; the ``first`` of each video; or
    ``random``: the first of a generated video and one at a uniformly drawn start in a real one (StyleGAN-V).
    """

    name: str
    window: int
    windows: Literal["all", "first", "random"]
    stride: int

    def starts(self, frames: int, side: Side, rng: np.random.Generator) -> list[int]:
        """First frame of each window of a video of `frames` frames; none where it is shorter than a window."""
        last = frames - self.window
        if last < 0:
            return []
        if self.windows == "all":
            return list(range(0, last + 1, self.stride))
        return [int(rng.integers(last + 1))] if self.windows == "random" and side == "real" else [0]


def window_samplings(window: int) -> dict[str, WindowSampling]:
    """The samplings in use for windows of `window` frames, by the implementation that they are of."""
    return {
        "windows": WindowSampling(f"windows{window}", window, "all", window),
        "stylegan-v": WindowSampling(f"stylegan-v{window}", window, "random", window),
        "common-metrics": WindowSampling(f"common-metrics{window}", window, "first", window),
    }
