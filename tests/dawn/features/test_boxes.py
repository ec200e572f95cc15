"""Boxes around face and mouth."""

from __future__ import annotations

import numpy as np

from dawn.features.boxes import face_box, mouth_box


def test_boxes_are_those_of_their_points() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 68, 2)).astype(np.float32)
    assert np.array_equal(face_box(points)[:, :2], points.min(1)) and np.array_equal(
        face_box(points)[:, 2:], points.max(1)
    )
    assert np.array_equal(mouth_box(points)[:, 2:], points[:, 48:68].max(1))
