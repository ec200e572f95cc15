"""Two temporal resolutions: keyframes in one pass, then the frames between them (paper 4.3, Harvey et al. 2022).

Each resolution has a separate denoiser (``dawn/training/ttr.py``). The gaps between keyframes are filled a few at once,
conditioned on their keyframes without noise; after the last keyframe the dense denoiser continues to the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dawn.methods import Method
from dawn.stages import TTR_STAGES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dawn.config import Config
    from dawn.generation.driving import VideoStart
    from dawn.generation.motion import Motion
    from dawn.generation.networks import Networks

METHOD = Method("ttr", "Two temporal resolutions (TTR)", on_demand=True, stages=TTR_STAGES)


def frames_at_once(config: Config, frames: int) -> int:
    """Return the number of frames in the larger of both passes: that of keyframes, or that of the gaps of a span."""
    spacing = config.a2v.ttr.spacing
    return max(len(range(0, frames, spacing)), min(spacing * config.generate.ttr.gaps + 1, frames))


def generate(nets: Networks, videos: Sequence[VideoStart]) -> Iterator[NDArray[np.uint8]]:
    """Sample the motion of both resolutions, then decode frame by frame."""
    from dawn.generation.motion import decode

    yield from decode(nets, [video.source for video in videos], sample_motion(nets, videos))


def sample_motion(nets: Networks, videos: Sequence[VideoStart]) -> Motion:
    """Sample the motion of all frames of `videos`: keyframes, then the frames between them."""
    import torch

    from dawn.generation.motion import KnownFrames, as_motion, denoise, prepare_conditions

    sources, drivings = [video.source for video in videos], [video.driving for video in videos]
    generators = [video.generator for video in videos]
    spacing, frames = nets.config.a2v.ttr.spacing, len(drivings[0])
    sparse, dense = (nets.denoiser(stage) for stage in TTR_STAGES)

    # Sparse: frames 0, spacing, 2 * spacing, ...
    keyframes = slice(None, None, spacing)
    sparse_drivings = [driving.frames(keyframes) for driving in drivings]
    conditions = prepare_conditions(sparse, sources, sparse_drivings, frames_at_once=len(sparse_drivings[0]))
    keys = denoise(sparse, conditions, generators)

    # Dense: spans of `generate.ttr.gaps` gaps with the keyframes at both ends, which neighbouring spans share.
    stride = spacing * nets.config.generate.ttr.gaps
    conditions = prepare_conditions(dense, sources, drivings, frames_at_once=min(stride + 1, frames))
    parts = [keys[:, :, :1]]
    for start in range(0, frames - 1, stride):
        span = conditions.frames(slice(start, start + stride + 1))
        first, count = start // spacing, len(range(0, span.speech.shape[1], spacing))
        known = KnownFrames(keyframes, keys[:, :, first : first + count], noisy=False)
        parts.append(denoise(dense, span, generators, known=known)[:, :, 1:])
    return as_motion(nets, torch.cat(parts, dim=2))
