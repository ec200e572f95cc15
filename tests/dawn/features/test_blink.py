"""Eye aspect ratio."""

from __future__ import annotations

import numpy as np

from dawn.features.blink import eye_aspect_ratios


def test_eye_aspect_ratio_of_known_points() -> None:
    points = np.zeros((2, 68, 2), np.float32)
    points[0, [42, 45]] = [[10, 0], [14, 3]]  # left eye 5 wide
    points[0, [43, 47]] = [[11, 0], [11, 2]]  # 2 high
    points[0, [36, 39]] = [[0, 0], [4, 0]]
    points[0, [37, 41]] = [[1, 0], [1, 1]]
    assert np.allclose(eye_aspect_ratios(points[0]), [0.4, 0.25])
    assert np.allclose(eye_aspect_ratios(points), [[0.4, 0.25], [0, 0]])
