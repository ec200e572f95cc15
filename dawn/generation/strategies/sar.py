"""Semi-autoregressive generation: in segments, each continuing the last frames of the previous one (paper 4.3).

Similar to GAIA (He et al. 2023), with DAWN's own networks: at every step of the sampler the leading frames of a segment
are replaced by their known motion with the noise of that step, so that the new frames continue them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dawn.methods import Method

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawn.generation.motion import Motion, Source
    from dawn.generation.networks import Networks

METHOD = Method("sar", "Semi-autoregressive (SAR)", on_demand=True, strategy="sar")


def generate(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    generator: torch.Generator,
) -> Iterator[NDArray[np.uint8]]:
    """The strategy: sample the motion of all segments, then decode frame by frame."""
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

    segment, overlap = nets.config.generate.sar.segment, nets.config.generate.sar.overlap
    conditions = prepare_conditions(nets, source, speech, pose, blink, frames_at_once=min(segment, len(speech)))
    data = denoise(nets, conditions.frames(slice(0, segment)), generator)
    while (sampled := data.shape[2]) < len(speech):
        start = sampled - overlap
        known = KnownFrames(slice(0, overlap), data[:, :, start:], noisy=True)
        continued = denoise(nets, conditions.frames(slice(start, start + segment)), generator, known=known)
        data = torch.cat((data, continued[:, :, overlap:]), dim=2)
    return as_motion(nets, data, pose, blink)
