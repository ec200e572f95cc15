"""Strategies: orders in which the frames of a video are generated, one module each (docs/explanation/strategies.md).

All share networks, sampler and decoder. A module defines ``METHOD``, its entry in :mod:`dawn.methods`, ``generate``, a
:class:`Generate`, and ``frames_at_once``, a :class:`FramesAtOnce`. It imports torch inside functions only: tables read
the labels without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from dawn.plugins import load_plugin

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawn.config import Config
    from dawn.generation.driving import VideoStart
    from dawn.generation.networks import Networks

READS = ("*.py",)
MOST = 64  # videos that are generated together, each with a file that is written meanwhile


class Generate(Protocol):
    """Generator function of a strategy: the frames (b, S, S, 3) uint8 RGB of b videos of equal length, in their order.

    Frames are computed when the iterator is advanced; all noise of a video comes from its generator, so that it is the
    same, up to rounding, as alone.
    """

    def __call__(self, nets: Networks, videos: Sequence[VideoStart]) -> Iterator[NDArray[np.uint8]]: ...


class FramesAtOnce(Protocol):
    """Number of frames in the largest pass of the denoiser for a video of `frames` frames."""

    def __call__(self, config: Config, frames: int) -> int: ...


def load_strategy(name: str) -> Generate:
    """Load the function ``generate`` of the strategy `name`."""
    return cast(Generate, load_plugin(__name__, name, "generate"))


def videos_at_once(name: str, config: Config, frames: int, device: torch.device) -> int:
    """Return how many videos of `frames` frames the strategy `name` generates together on `device`.

    On a GPU they fill a pass that a CUDA graph holds; a CPU gains nothing. Compiled code is that of one number of
    videos, and a limit of memory that of one video: with either, each is generated alone.
    """
    from dawn.generation.captured import CAPTURED
    from dawn.models.build import latent_side

    if device.type != "cuda" or config.generate.compile or config.generate.max_memory:
        return 1
    of_pass = cast(FramesAtOnce, load_plugin(__name__, name, "frames_at_once"))(config, frames)
    return max(1, min(MOST, CAPTURED // (of_pass * latent_side(config) ** 2)))
