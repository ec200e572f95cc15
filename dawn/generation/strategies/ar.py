"""Autoregressive generation in image space: each frame, or short chunk, starts from the last generated frame.

The order is that of Diffused Heads (Stypułkowski et al. 2024) and Hallo (Xu et al. 2024), with DAWN's networks: an
error in a frame propagates to all later frames (paper 1 and A.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dawn.methods import Method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dawn.config import Config
    from dawn.generation.driving import Source, VideoStart
    from dawn.generation.networks import Networks

METHOD = Method("ar", "Frame by frame (AR)", on_demand=True)


def frames_at_once(config: Config, frames: int) -> int:
    """Return the number of frames in a pass: those of a chunk."""
    return min(config.generate.ar.chunk, frames)


def generate(nets: Networks, videos: Sequence[VideoStart]) -> Iterator[NDArray[np.uint8]]:
    """Sample and decode one chunk after the other, each with the last generated frame as its source."""
    from dataclasses import replace

    from dawn.generation.motion import decode, sample_motion

    chunk = nets.config.generate.ar.chunk
    sources = [video.source for video in videos]
    for start in range(0, len(videos[0].driving), chunk):
        parts = [
            replace(video, source=source, driving=video.driving.frames(slice(start, start + chunk)))
            for video, source in zip(videos, sources, strict=True)
        ]
        frames = list(decode(nets, sources, sample_motion(nets, parts)))
        yield from frames
        sources = [
            next_source(part.source, frame, part.driving.pose[-1], part.driving.blink[-1])
            for part, frame in zip(parts, frames[-1], strict=True)
        ]


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
