"""Sampling of windows of a video for video networks; published FVD implementations differ in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Side = Literal["real", "fake"]


@dataclass(frozen=True)
class WindowSampling:
    """Sampling rule for windows of `window` consecutive frames of a video.

    windows: ``all``: windows that begin `stride` frames apart, a shorter rest excluded; ``first``: the first window of
    each video; ``random``: the first window of a generated video, one at a uniformly drawn start of a real one
    (StyleGAN-V).
    """

    name: str
    window: int
    windows: Literal["all", "first", "random"]
    stride: int

    def starts(self, frames: int, side: Side, rng: np.random.Generator) -> list[int]:
        """Return the first frame of each window of a video of `frames` frames; none where it is shorter than a
        window."""
        last = frames - self.window
        if last < 0:
            return []
        if self.windows == "all":
            return list(range(0, last + 1, self.stride))
        return [int(rng.integers(last + 1))] if self.windows == "random" and side == "real" else [0]


def window_samplings(window: int) -> dict[str, WindowSampling]:
    """Return the sampling rules for windows of `window` frames, by the implementation that uses them."""
    return {
        "windows": WindowSampling(f"windows{window}", window, "all", window),
        "stylegan-v": WindowSampling(f"stylegan-v{window}", window, "random", window),
        "common-metrics": WindowSampling(f"common-metrics{window}", window, "first", window),
    }
