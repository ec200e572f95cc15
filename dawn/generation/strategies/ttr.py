"""Two temporal resolutions: keyframes in one pass, then the frames between them (paper 4.3, Harvey et al. 2022).

Each resolution has a denoiser of its own (``dawn/training/ttr.py``). The gaps between keyframes are filled a few at
once, conditioned on their keyframes without noise; after the last keyframe the dense denoiser continues to the end.
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

    from dawn.generation.motion import Motion, Source
    from dawn.generation.networks import Networks

METHOD = Method("ttr", "Two temporal resolutions (TTR)", on_demand=True, strategy="ttr", stages=TTR_STAGES)


def generate(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    generator: torch.Generator,
) -> Iterator[NDArray[np.uint8]]:
    """The strategy: sample the motion of both resolutions, then decode frame by frame."""
    from dawn.generation.motion import decode

    yield from decode(nets, source, sample_motion(nets, source, speech, pose, blink, generator))


def sample_motion(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    generator: torch.Generator,
) -> Motion:
    """Motion of all frames from speech (n, c), pose (n, 6) and blink (n, 2)."""
    import torch

    from dawn.generation.motion import KnownFrames, as_motion, denoise, prepare_conditions

    spacing, frames = nets.config.a2v.ttr.spacing, len(speech)
    sparse, dense = (nets.denoiser(stage) for stage in TTR_STAGES)

    # Sparse: frames 0, spacing, 2 * spacing, ...
    keyframes = slice(None, None, spacing)
    conditions = prepare_conditions(
        sparse,
        source,
        speech[keyframes],
        pose[keyframes],
        blink[keyframes],
        frames_at_once=len(range(0, frames, spacing)),
    )
    keys = denoise(sparse, conditions, generator)

    # Dense: spans of `generate.ttr.gaps` gaps with the keyframes at both ends, which neighbouring spans share.
    stride = spacing * nets.config.generate.ttr.gaps
    conditions = prepare_conditions(dense, source, speech, pose, blink, frames_at_once=min(stride + 1, frames))
    parts = [keys[:, :, :1]]
    for start in range(0, frames - 1, stride):
        span = conditions.frames(slice(start, start + stride + 1))
        first, count = start // spacing, len(range(0, span.speech.shape[1], spacing))
        known = KnownFrames(keyframes, keys[:, :, first : first + count], noisy=False)
        parts.append(denoise(dense, span, generator, known=known)[:, :, 1:])
    return as_motion(nets, torch.cat(parts, dim=2), pose, blink)
