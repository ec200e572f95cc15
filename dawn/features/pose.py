"""Head pose from a face mesh, by a similarity fit (Umeyama 1991) to a rigid mean head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Rigid head: the vertices that speech and blinks move least. Columns are the vertex on the person's right or on the
# midline, its mirror vertex, and x (towards image right), y (up), z (towards the camera) of the former. Measured here:
# mean of Face Mesh over 15 real videos and 5 photographs after a generalised Procrustes fit, symmetrised, rotated so
# that forehead (10) and chin (152) lie on one vertical, scaled so that they are 1 apart, centred on the mean vertex.
_HEAD = np.array(
    [
        (10, 10, 0.0, 0.3164, 0.0490),
        (151, 151, 0.0, 0.2244, 0.0777),
        (9, 9, 0.0, 0.1245, 0.1023),
        (8, 8, 0.0, 0.0734, 0.0992),
        (168, 168, 0.0, 0.0289, 0.1001),
        (6, 6, 0.0, -0.0143, 0.1290),
        (197, 197, 0.0, -0.0539, 0.1613),
        (195, 195, 0.0, -0.0906, 0.1967),
        (5, 5, 0.0, -0.1300, 0.2329),
        (4, 4, 0.0, -0.1797, 0.2508),
        (33, 263, -0.2576, -0.0061, -0.0261),
        (133, 362, -0.0988, -0.0126, 0.0052),
        (127, 356, -0.4056, -0.0552, -0.3121),
        (139, 368, -0.3772, 0.0296, -0.1627),
        (71, 301, -0.3562, 0.0987, -0.1107),
        (68, 298, -0.3190, 0.1582, -0.0511),
        (104, 333, -0.2626, 0.2004, -0.0011),
        (69, 299, -0.1796, 0.2205, 0.0435),
        (108, 337, -0.0954, 0.2254, 0.0693),
        (116, 345, -0.3667, -0.1138, -0.0894),
        (117, 346, -0.3038, -0.1052, -0.0185),
        (123, 352, -0.3620, -0.1929, -0.0739),
        (193, 417, -0.0436, 0.0216, 0.0757),
        (122, 351, -0.0331, -0.0247, 0.1155),
        (196, 419, -0.0315, -0.0625, 0.1534),
        (101, 330, -0.2003, -0.1517, 0.0502),
        (50, 280, -0.2827, -0.1982, 0.0250),
        (34, 264, -0.3953, -0.0498, -0.1934),
        (227, 447, -0.3989, -0.1312, -0.1983),
    ]
)
_PAIRS = _HEAD[_HEAD[:, 0] != _HEAD[:, 1]]
RIGID_VERTICES = np.concatenate([_HEAD[:, 0], _PAIRS[:, 1]]).astype(np.intp)
RIGID_HEAD = np.concatenate([_HEAD[:, 2:], _PAIRS[:, 2:] * [-1, 1, 1]])  # (48, 3), mean 0


def head_pose(mesh: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Compute the pose (..., 6), yaw, pitch, roll, scale, tx, ty, of a mesh (..., 478, 3) in pixels of a frame.

    Yaw, pitch and roll in degrees are those of the published extractor: with R the rotation of the head in axes x to
    image right, y up, z to the camera, yaw = asin(R20), pitch = atan2(R21, R22), roll = atan2(R10, R00). So yaw is
    positive for a face turned to image left, pitch for one that looks down, roll for one tilted anticlockwise in the
    image. Mirroring the image flips the signs of yaw and roll. Scale is the height of the frontal mean head, from the
    top of the forehead to the chin, in frame heights; tx and ty are the centre of the rigid head, near the bridge of
    the nose, in frame widths and heights from the top left corner. (The published scale and position are in units of
    its face model and of pixels; only their change over time is used.)

    `width` and `height` are the frame's, in pixels. All frames are fitted at once; scikit-image's fit of one frame
    differs in the last bit of the scale.
    """
    # Umeyama 1991: R from the SVD of the covariance with the rigid head, scale from its singular values.
    points = mesh[..., RIGID_VERTICES, :].astype(np.float64) * [1, -1, -1]
    centre = points.mean(axis=-2, keepdims=True)
    u, stretch, vt = np.linalg.svd(np.swapaxes(points - centre, -1, -2) @ RIGID_HEAD)
    sign = np.ones_like(stretch)
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))  # a rotation, never a reflection
    rotation = (u * sign[..., None, :]) @ vt
    scale = (stretch * sign).sum(-1) / (RIGID_HEAD**2).sum()
    yaw = np.arcsin(np.clip(rotation[..., 2, 0], -1, 1))
    pitch = np.arctan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0])
    angles = np.degrees(np.stack([yaw, pitch, roll], axis=-1))
    position = np.stack([scale / height, centre[..., 0, 0] / width, -centre[..., 0, 1] / height], axis=-1)
    return np.concatenate([angles, position], axis=-1).astype(np.float32)
