"""Boxes around parts of the face.

A box is x0, y0, x1, y1 in pixels of the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def face_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box (..., 4) around all of the landmarks (..., 68, 2)."""
    return _around(landmarks)


def mouth_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box (..., 4) around the lips (points 48 to 67) of landmarks (..., 68, 2)."""
    return _around(landmarks[..., 48:68, :])


def eye_boxes(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (..., 2, 4) around the left and the right eye of landmarks (..., 68, 2)."""
    return np.stack([_around(landmarks[..., 42:48, :]), _around(landmarks[..., 36:42, :])], axis=-2)


def _around(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)
