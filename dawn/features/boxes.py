"""Boxes around parts of the face, x0, y0, x1, y1 in pixels of the frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def face_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the box (..., 4) around all landmarks (..., 68, 2)."""
    return _around(landmarks)


def mouth_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the box (..., 4) around the lips (points 48 to 67) of landmarks (..., 68, 2)."""
    return _around(landmarks[..., 48:68, :])


def _around(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)
