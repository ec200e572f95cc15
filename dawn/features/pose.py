"""Head pose in six numbers, from the head's transform that MediaPipe fits to its landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# MediaPipe's virtual camera looks along -z from the origin, y up, at the middle of the frame; units are centimetres.
_FIELD_OF_VIEW = np.radians(63)  # vertical
_HEAD_HEIGHT = 17.67  # from the top of the forehead (vertex 10) to the chin (152) of the canonical head


def head_pose(transform: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Compute the pose (..., 6), yaw, pitch, roll, scale, tx, ty, of a head with the transform (..., 4, 4).

    `transform` maps the canonical head of MediaPipe, whose origin lies inside the skull behind the bridge of the nose,
    to the camera's space: a rotation and a translation, without scale. `width` and `height` are the frame's, in pixels.

    Yaw, pitch and roll in degrees are those of the published extractor: with R the rotation of the head in axes x to
    image right, y up, z to the camera, yaw = asin(R20), pitch = atan2(R21, R22), roll = atan2(R10, R00). So yaw is
    positive for a face turned to image left, pitch for one that looks down, roll for one tilted anticlockwise in the
    image. Mirroring the image flips the signs of yaw and roll. Scale is the height of the canonical head, from the top
    of the forehead to the chin, at its distance from the camera, in frame heights; tx and ty are the projection of the
    head's origin, in frame widths and heights from the top left corner. (The published scale and position are in units
    of its face model and of pixels; only their change over time is used.)
    """
    rotation, translation = transform[..., :3, :3].astype(np.float64), transform[..., :3, 3].astype(np.float64)
    yaw = np.arcsin(np.clip(rotation[..., 2, 0], -1, 1))
    pitch = np.arctan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0])
    angles = np.degrees(np.stack([yaw, pitch, roll], axis=-1))
    frame_height = -translation[..., 2] * 2 * np.tan(_FIELD_OF_VIEW / 2)  # centimetres, at the head's distance
    tx = 0.5 + translation[..., 0] / frame_height * height / width
    ty = 0.5 - translation[..., 1] / frame_height
    position = np.stack([_HEAD_HEIGHT / frame_height, tx, ty], axis=-1)
    return np.concatenate([angles, position], axis=-1).astype(np.float32)
