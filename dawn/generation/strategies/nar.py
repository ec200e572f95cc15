"""Non-autoregressive generation, DAWN's strategy: the motion of all frames in one sampling pass (paper 3.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dawn.methods import Method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dawn.config import Config
    from dawn.generation.driving import VideoStart
    from dawn.generation.networks import Networks

METHOD = Method("dawn", "DAWN")


def frames_at_once(config: Config, frames: int) -> int:
    """Return the number of frames in a pass: all."""
    return frames


def generate(nets: Networks, videos: Sequence[VideoStart]) -> Iterator[NDArray[np.uint8]]:
    """Sample all motion, then decode frame by frame."""
    from dawn.generation.motion import decode, sample_motion

    yield from decode(nets, [video.source for video in videos], sample_motion(nets, videos))
