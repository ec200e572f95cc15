"""Mouth crops for SyncNet: a square about the lower face, of constant size, that follows the head smoothly."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from dawn.errors import InputError
from dawn.features.interpolation import interpolate_rows

SCALE = 0.75  # side of the square relative to the distance of the outer eye corners: nostrils to chin
SMOOTHING = 13  # frames, median filter of its centre, as on the original's face tracks
_MOUTH = slice(48, 68)
_OUTER_EYE_CORNERS = (36, 45)


def mouth_crops(
    frames: NDArray[np.uint8], landmarks: NDArray[np.floating], found: NDArray[np.bool_], side: int
) -> NDArray[np.uint8]:
    """Crop the mouth from frames (N, H, W, 3) by landmarks (N, 68, 2) in pixels: (N, side, side, 3) uint8.

    found: (N,) whether the frame has a face. Raises InputError on shapes, and when no frame has a face.
    """
    if landmarks.shape != (len(frames), 68, 2) or found.shape != (len(frames),):
        raise InputError(f"landmarks {landmarks.shape} do not fit {len(frames)} frames")
    centres, width = mouth_squares(landmarks, found)
    return np.stack([crop_square(frame, centre, width, side) for frame, centre in zip(frames, centres, strict=True)])


def mouth_squares(landmarks: NDArray[np.floating], found: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Compute the centres (N, 2) and the width of a clip's mouth squares from landmarks (N, 68, 2), all in pixels.

    Centres are interpolated over frames that are not `found` (N,). Raises InputError when no frame has a face.
    """
    if not found.any():
        raise InputError("no face in any frame, so there is no mouth to crop")
    known = np.flatnonzero(found)
    points = landmarks[known].astype(np.float64)
    centre = points[:, _MOUTH].mean(axis=1)
    left, right = _OUTER_EYE_CORNERS
    width = float(np.median(np.linalg.norm(points[:, left] - points[:, right], axis=1))) * SCALE
    centres = interpolate_rows(centre, known, np.arange(len(found)))
    return median_filter(centres, size=(SMOOTHING, 1), mode="nearest"), width


def crop_square(frame: NDArray[np.uint8], centre: NDArray[np.floating], width: float, side: int) -> NDArray[np.uint8]:
    """Sample the square of `width` pixels about `centre` (2,) of a frame (H, W, 3) as (side, side, 3).

    Positions are sub-pixel; edge pixels repeat outside.
    """
    size = max(side, round(width))  # warping does not average, so a large square is cropped first, then downsampled
    step = width / size
    corner = centre - width / 2 + (step - 1) / 2
    matrix = np.asarray([[step, 0, corner[0]], [0, step, corner[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(frame, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if size != side:
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
