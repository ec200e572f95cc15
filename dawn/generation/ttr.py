"""Two temporal resolutions: keyframes in one pass, then what lies between them (paper 4.3, Harvey et al. 2022).

Each resolution has a network of its own (``dawn/training/ttr.py``). Gaps are filled a few at once, between keyframes
that are shown without noise, and go on beyond the last one where the video does.
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
    spacing, frames = nets.config.a2v.ttr.spacing, len(speech)
    sparse, dense = nets.denoiser("ttr_sparse"), nets.denoiser("ttr_dense")
    every = slice(None, None, spacing)
    told = tell(sparse, source, speech[every], pose[every], blink[every], stretch=len(range(0, frames, spacing)))
    keys = denoise(sparse, told, generator)
    stride = spacing * nets.config.generate.ttr.gaps
    told = tell(dense, source, speech, pose, blink, stretch=min(stride + 1, frames))
    parts = [keys[:, :, :1]]
    for start in range(0, frames - 1, stride):
        stretch = told.frames(slice(start, start + stride + 1))
        first, count = start // spacing, len(range(0, stretch.speech.shape[1], spacing))
        held = Held(every, keys[:, :, first : first + count], noisy=False)
        parts.append(denoise(dense, stretch, generator, held=held)[:, :, 1:])
    return as_motion(nets, torch.cat(parts, dim=2), pose, blink)
