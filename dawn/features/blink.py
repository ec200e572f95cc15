"""Eye aspect ratio, the paper's measure of blinking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def eye_aspect_ratios(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute height over width of the left and the right eye, (..., 2), from landmarks (..., 68, 2).

    One pair of lid points per eye, as published: left |43 - 47| / |45 - 42|, right |37 - 41| / |39 - 36|. About 0.3 for
    an open eye, near 0 for a closed one; an eye of zero width gives 0.
    """
    upper, lower = landmarks[..., [43, 37], :], landmarks[..., [47, 41], :]
    outer, inner = landmarks[..., [45, 39], :], landmarks[..., [42, 36], :]
    height = np.linalg.norm(upper - lower, axis=-1)
    width = np.linalg.norm(outer - inner, axis=-1)
    return np.divide(height, width, out=np.zeros_like(height), where=width > 0).astype(np.float32)
