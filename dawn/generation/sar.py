"""Semi-autoregressive generation: segment after segment, each led by the last frames of the one before (paper 4.3).

Similar to GAIA (He et al. 2023), on DAWN's own networks: at every step of the sampler the leading frames of a segment
are replaced by their known motion with the noise of that step, so that the new frames are made to go on from them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.generation.nar import Held, Motion, Source, as_motion, denoise, tell
from dawn.generation.networks import Networks


@torch.inference_mode()
def sample_motion(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    generator: torch.Generator,
) -> Motion:
    """Motion of all frames from speech (n, c), pose (n, 6) and blink (n, 2)."""
    settings = nets.config.generate.sar
    told = tell(nets, source, speech, pose, blink, stretch=min(settings.segment, len(speech)))
    data = denoise(nets, told.frames(slice(0, settings.segment)), generator)
    while (made := data.shape[2]) < len(speech):
        start = made - settings.overlap
        held = Held(slice(0, settings.overlap), data[:, :, start:], noisy=True)
        segment = denoise(nets, told.frames(slice(start, start + settings.segment)), generator, held=held)
        data = torch.cat((data, segment[:, :, settings.overlap :]), dim=2)
    return as_motion(nets, data, pose, blink)
