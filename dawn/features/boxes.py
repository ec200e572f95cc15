"""Boxes around parts of the face, and the masks that the networks and losses take.

A box is x0, y0, x1, y1 in pixels of the frame.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def face_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box (..., 4) around all of the landmarks (..., 68, 2)."""
    return _around(landmarks)


def mouth_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box (..., 4) around the lips (points 48 to 67) of landmarks (..., 68, 2)."""
    return _around(landmarks[..., 48:68, :])


def eye_boxes(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (..., 2, 4) around the left and the right eye of landmarks (..., 68, 2)."""
    return np.stack([_around(landmarks[..., 42:48, :]), _around(landmarks[..., 36:42, :])], axis=-2)


def box_mask(boxes: Tensor, side: int, out_side: int) -> Tensor:
    """Masks float32 (n, out_side, out_side), 1 inside the box, of frames of `side` pixels; boxes (n, 4).

    Boxes (n, k, 4) give the union of the k boxes of each frame. In units of mask pixels, the first row and column are
    the low corner truncated, the last ones (inclusive) the high corner plus one truncated, as published. The published
    mask divides x by the height and y by the width; here x goes with the width.
    """
    if boxes.ndim == 2:
        boxes = boxes[:, None]
    scaled = boxes.float() * (out_side / side)
    low, high = torch.trunc(scaled[..., :2]), torch.trunc(scaled[..., 2:] + 1)
    index = torch.arange(out_side, device=boxes.device)
    inside = (index >= low[..., None]) & (index <= high[..., None])  # (n, k, 2, out_side): x, y
    return (inside[..., 1, :, None] & inside[..., 0, None, :]).any(dim=1).float()


def _around(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)
