"""Two temporal resolutions: keyframes in one pass, then the frames between them (paper 4.3, Harvey et al. 2022).

Each resolution has a separate denoiser (``dawn/training/ttr.py``). The gaps between keyframes are filled a few at once,
conditioned on their keyframes without noise; after the last keyframe the dense denoiser continues to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dawn.methods import Method
from dawn.stages import TTR_STAGES

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawn.generation.driving import Driving, Source
    from dawn.generation.motion import Motion
    from dawn.generation.networks import Networks

METHOD = Method("ttr", "Two temporal resolutions (TTR)", on_demand=True, stages=TTR_STAGES)


def generate(
    nets: Networks, source: Source, driving: Driving, generator: torch.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Sample the motion of both resolutions, then decode frame by frame."""
    from dawn.generation.motion import decode

    yield from decode(nets, source, sample_motion(nets, source, driving, generator))


def sample_motion(nets: Networks, source: Source, driving: Driving, generator: torch.Generator) -> Motion:
    """Sample the motion of all frames of `driving`: keyframes, then the frames between them."""
    import torch

    from dawn.generation.motion import KnownFrames, as_motion, denoise, prepare_conditions

    spacing, frames = nets.config.a2v.ttr.spacing, len(driving)
    sparse, dense = (nets.denoiser(stage) for stage in TTR_STAGES)

    # Sparse: frames 0, spacing, 2 * spacing, ...
    keyframes = slice(None, None, spacing)
    sparse_driving = driving.frames(keyframes)
    conditions = prepare_conditions(sparse, source, sparse_driving, frames_at_once=len(sparse_driving))
    keys = denoise(sparse, conditions, generator)

    # Dense: spans of `generate.ttr.gaps` gaps with the keyframes at both ends, which neighbouring spans share.
    stride = spacing * nets.config.generate.ttr.gaps
    conditions = prepare_conditions(dense, source, driving, frames_at_once=min(stride + 1, frames))
    parts = [keys[:, :, :1]]
    for start in range(0, frames - 1, stride):
        span = conditions.frames(slice(start, start + stride + 1))
        first, count = start // spacing, len(range(0, span.speech.shape[1], spacing))
        known = KnownFrames(keyframes, keys[:, :, first : first + count], noisy=False)
        parts.append(denoise(dense, span, generator, known=known)[:, :, 1:])
    return as_motion(nets, torch.cat(parts, dim=2))
