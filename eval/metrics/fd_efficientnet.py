"""Fréchet distance of single frames on EfficientNet features: what FID is on Inception features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.backbones.efficientnet import EfficientNetLite0

EVERY = 5  # frames; neighbours differ little, and each frame costs 25 ms


def frame_features(frames: NDArray[np.uint8], net: EfficientNetLite0, every: int = EVERY) -> NDArray[np.float32]:
    """(N, H, W, 3) frames -> (ceil(N / every), 1280) features of every `every`-th frame."""
    return net(frames[::every])
