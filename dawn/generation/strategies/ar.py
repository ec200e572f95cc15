"""Autoregressive generation in image space: each frame, or short chunk, starts from the last generated frame.

The order is that of Diffused Heads (Stypułkowski et al. 2024) and Hallo (Xu et al. 2024), with DAWN's networks: an
error in a frame propagates to all later frames (paper 1 and A.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dawn.methods import Method

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawn.generation.driving import Driving, Source
    from dawn.generation.networks import Networks

METHOD = Method("ar", "Frame by frame (AR)", on_demand=True)


def generate(
    nets: Networks, source: Source, driving: Driving, generator: torch.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Sample and decode one chunk after the other, each with the last generated frame as its source."""
    from dawn.generation.motion import decode, sample_motion

    chunk = nets.config.generate.ar.chunk
    for start in range(0, len(driving), chunk):
        part = driving.frames(slice(start, start + chunk))
        frames = list(decode(nets, source, sample_motion(nets, source, part, generator)))
        yield from frames
        source = next_source(source, frames[-1], part.pose[-1], part.blink[-1])


def next_source(
    source: Source, frame: NDArray[np.uint8], pose: NDArray[np.float32], blink: NDArray[np.float32]
) -> Source:
    """Build the source of the next chunk from `frame` (S, S, 3) and its conditions: pose (6,) and blink (2,).

    The face box moves with the head's translation; its size stays, since a talking head hardly changes its distance.
    """
    import numpy as np

    from dawn.generation.driving import Source

    shift = np.tile(pose[4:] - source.pose[4:], 2) * len(frame)
    return Source(frame, pose, blink, (source.face_box + shift).astype(np.float32))
