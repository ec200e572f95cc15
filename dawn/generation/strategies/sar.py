"""Semi-autoregressive generation: in segments, each continuing the last frames of the previous one (paper 4.3).

Similar to GAIA (He et al. 2023), with DAWN's networks: at every step of the sampler the leading frames of a segment are
replaced by their known motion with the noise of that step, so that the new frames continue them.
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
    from dawn.generation.motion import Motion
    from dawn.generation.networks import Networks

METHOD = Method("sar", "Semi-autoregressive (SAR)", on_demand=True)


def generate(
    nets: Networks, source: Source, driving: Driving, generator: torch.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Sample the motion of all segments, then decode frame by frame."""
    from dawn.generation.motion import decode

    yield from decode(nets, source, sample_motion(nets, source, driving, generator))


def sample_motion(nets: Networks, source: Source, driving: Driving, generator: torch.Generator) -> Motion:
    """Sample the motion of all frames of `driving`, segment by segment."""
    import torch

    from dawn.generation.motion import KnownFrames, as_motion, denoise, prepare_conditions

    segment, overlap = nets.config.generate.sar.segment, nets.config.generate.sar.overlap
    conditions = prepare_conditions(nets, source, driving, frames_at_once=min(segment, len(driving)))
    data = denoise(nets, conditions.frames(slice(0, segment)), generator)
    while (sampled := data.shape[2]) < len(driving):
        start = sampled - overlap
        known = KnownFrames(slice(0, overlap), data[:, :, start:], noisy=True)
        continued = denoise(nets, conditions.frames(slice(start, start + segment)), generator, known=known)
        data = torch.cat((data, continued[:, :, overlap:]), dim=2)
    return as_motion(nets, data)
