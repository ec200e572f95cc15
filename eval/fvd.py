"""Fréchet video distance: Fréchet distance of I3D logits over windows of 16 or 32 frames (Unterthiner et al. 2018).

All windows of a clip that do not overlap are used; a rest shorter than a window is left out. The paper states neither
stride nor count; the count moves the number more than anything else, so it is reported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.errors import InputError
from eval.backbones.i3d import MIN_FRAMES

WINDOWS = (16, 32)


def window_features(
    frames: NDArray[np.uint8], net: Callable[[torch.Tensor], torch.Tensor], window: int
) -> NDArray[np.float32]:
    """(N, H, W, 3) frames -> (N // window, 400) features, one row a window."""
    if window < MIN_FRAMES:
        raise InputError(f"windows of {window} frames are too short; I3D needs {MIN_FRAMES}")
    count = len(frames) // window
    if not count:
        return np.empty((0, 400), np.float32)
    clips = torch.from_numpy(frames[: count * window]).reshape(count, window, *frames.shape[1:])
    return np.concatenate([net(clip[None]).numpy() for clip in clips])  # one at a time: memory, and a fixed result
