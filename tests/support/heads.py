"""Rotations of heads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def head_rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Rotation (3, 3) with angles, in degrees, of the published convention: yaw = asin(R20) and so on."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
