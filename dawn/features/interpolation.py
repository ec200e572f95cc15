"""Linear interpolation over time, for frames without a detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def interpolate_rows(rows: NDArray[Any], at: Sequence[int] | NDArray[Any], times: NDArray[Any]) -> NDArray[np.float64]:
    """Interpolate rows (K, ...) at increasing times `at` (K,) linearly to `times` (N,): (N, ...).

    Before the first row and after the last, these two are repeated.
    """
    columns = rows.reshape(len(rows), -1).T
    values = np.stack([np.interp(times, at, column) for column in columns], axis=1)
    return values.reshape(len(values), *rows.shape[1:])
