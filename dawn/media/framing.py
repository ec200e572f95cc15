"""Framing of a face in a clip: one square around its landmark boxes, and the crop of a frame to that square.

A box is x0, y0, x1, y1 in pixels of the frame.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError

Box = tuple[float, float, float, float]
FindBox = Callable[[NDArray[np.uint8]], Box | None]  # frame (H, W, 3) -> box of the 68 landmarks of its largest face

FACE_CENTRE = (0.5, 0.56)  # x, y of the landmark box's centre, in sides of the square


def crop_box(boxes: NDArray[np.float64], face_height: float) -> Box:
    """Compute one square for a whole clip from its landmark boxes (n, 4), brows to chin.

    The median box is `face_height` of the square's side high and its centre lies at `FACE_CENTRE`. The square is
    enlarged until it contains the boxes between their 5th and 95th percentile, so that a moving head stays inside.
    Raises InputError when the boxes have no height.
    """
    x0, y0, x1, y1 = np.median(boxes, axis=0)
    side = (y1 - y0) / face_height
    if not side > 0:
        raise InputError(f"the face boxes have no height (median {y1 - y0:.1f} pixels); give a clearer video")
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = np.percentile(boxes[:, :2], 5, axis=0)
    right, bottom = np.percentile(boxes[:, 2:], 95, axis=0)
    across, down = FACE_CENTRE
    side = max(
        side,
        (centre_x - left) / across,
        (right - centre_x) / (1 - across),
        (centre_y - top) / down,
        (bottom - centre_y) / (1 - down),
    )
    corner_x, corner_y = centre_x - across * side, centre_y - down * side
    return float(corner_x), float(corner_y), float(corner_x + side), float(corner_y + side)


def crop(frame: NDArray[np.uint8], box: Box, side: int) -> NDArray[np.uint8]:
    """Crop the square `box` of a frame (H, W, 3) and resize it to (side, side, 3).

    Pixels outside the frame replicate its edge. Raises InputError when the box lies outside the frame.
    """
    x0, y0, x1, y1 = (round(value) for value in box)
    x1, y1 = max(x1, x0 + 2), max(y1, y0 + 2)
    height, width = frame.shape[:2]
    inside = frame[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if not inside.size:
        raise InputError("the crop lies outside the frame; give a video that shows the face")
    padded = cv2.copyMakeBorder(
        inside, max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0), cv2.BORDER_REPLICATE
    )
    method = cv2.INTER_AREA if padded.shape[0] >= side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(padded, (side, side), interpolation=method), np.uint8)
