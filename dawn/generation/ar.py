"""Autoregressive generation in image space: each frame, or short chunk, is made from the last picture before it.

As Diffused Heads (Stypułkowski et al. 2024) and Hallo (Xu et al. 2024) do, on DAWN's own networks: what is wrong with a
picture stays in all that follow (paper 1 and A.3).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.generation.nar import Source, decode, sample_motion
from dawn.generation.networks import Networks


def frames(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    generator: torch.Generator,
) -> Iterator[NDArray[np.uint8]]:
    """The strategy (``dawn/generation/strategies.py``): a chunk's motion and pictures, then the next chunk's."""
    chunk = nets.config.generate.ar.chunk
    for start in range(0, len(speech), chunk):
        part = slice(start, start + chunk)
        motion = sample_motion(nets, source, speech[part], pose[part], blink[part], generator)
        pictures = list(decode(nets, source, motion))
        yield from pictures
        source = follow(source, pictures[-1], motion.pose[-1], motion.blink[-1])


def follow(source: Source, picture: NDArray[np.uint8], pose: NDArray[np.float32], blink: NDArray[np.float32]) -> Source:
    """`picture` as the next source. It is taken to show the pose (6,) and blink (2,) that were commanded.

    The face box moves with the head; heads that talk hardly change their size.
    """
    moved = np.tile(pose[4:] - source.pose[4:], 2) * len(picture)
    return Source(picture, pose, blink, (source.face_box + moved).astype(np.float32))
