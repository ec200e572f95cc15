"""Interpolation of missing rows."""

from __future__ import annotations

import numpy as np

from dawn.features.interpolation import interpolate_rows


def test_rows_are_linear_between_known_ones_and_constant_beyond() -> None:
    rows = np.array([[[0.0, 10.0]], [[4.0, 2.0]]])  # (2, 1, 2)
    values = interpolate_rows(rows, [1, 5], np.arange(7))
    assert values.shape == (7, 1, 2)
    assert values[:, 0, 0].tolist() == [0, 0, 1, 2, 3, 4, 4]
    assert values[:, 0, 1].tolist() == [10, 10, 8, 6, 4, 2, 2]
