"""Semi-autoregressive generation: in segments, each continuing the last frames of the previous one (paper 4.3).

Similar to GAIA (He et al. 2023), with DAWN's networks: at every step of the sampler the leading frames of a segment are
replaced by their known motion with the noise of that step, so that the new frames continue them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dawn.methods import Method

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dawn.config import Config
    from dawn.generation.driving import VideoStart
    from dawn.generation.motion import Motion
    from dawn.generation.networks import Networks

METHOD = Method("sar", "Semi-autoregressive (SAR)", on_demand=True)


def frames_at_once(config: Config, frames: int) -> int:
    """Return the number of frames in a pass: those of a segment."""
    return min(config.generate.sar.segment, frames)


def generate(nets: Networks, videos: Sequence[VideoStart]) -> Iterator[NDArray[np.uint8]]:
    """Sample the motion of all segments, then decode frame by frame."""
    from dawn.generation.motion import decode

    yield from decode(nets, [video.source for video in videos], sample_motion(nets, videos))


def sample_motion(nets: Networks, videos: Sequence[VideoStart]) -> Motion:
    """Sample the motion of all frames of `videos`, segment by segment."""
    import torch

    from dawn.generation.motion import KnownFrames, as_motion, denoise, prepare_conditions

    segment, overlap = nets.config.generate.sar.segment, nets.config.generate.sar.overlap
    sources, drivings = [video.source for video in videos], [video.driving for video in videos]
    generators, frames = [video.generator for video in videos], len(drivings[0])
    conditions = prepare_conditions(nets, sources, drivings, frames_at_once=frames_at_once(nets.config, frames))
    data = denoise(nets, conditions.frames(slice(0, segment)), generators)
    while (sampled := data.shape[2]) < frames:
        start = sampled - overlap
        known = KnownFrames(slice(0, overlap), data[:, :, start:], noisy=True)
        continued = denoise(nets, conditions.frames(slice(start, start + segment)), generators, known=known)
        data = torch.cat((data, continued[:, :, overlap:]), dim=2)
    return as_motion(nets, data)
