"""Blinks a second, counted on the eye aspect ratio (Soukupova and Cech 2016).

The paper names no detector and its true videos blink 0.75 times a second on HDTF, so detector and threshold decide the
number. Here an eye is closed below a share of the clip's own median: faces differ more in their ratio than the fixed
thresholds in use (0.2 to 0.35) allow; give `threshold` to use one of those.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dawn.errors import InputError

NAME = "ear-median0.7-2frames"


def blink_rate(eyes: ArrayLike, fps: float = 25.0) -> float:
    """(N, 2) eye aspect ratios, left and right -> blinks a second; NaN when no frame has a finite ratio."""
    array = np.asarray(eyes, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise InputError(f"blinks are counted on (N >= 1, 2) eye aspect ratios, got {array.shape}")
    ratio = array.mean(axis=1)
    if not np.isfinite(ratio).any():
        return float("nan")
    return blink_count(ratio) / (len(ratio) / fps)


def blink_count(
    ratio: ArrayLike,
    *,
    relative: float = 0.7,
    threshold: float | None = None,
    min_frames: int = 2,
    merge_gap: int = 1,
    tail: bool = True,
) -> int:
    """Runs of closed frames in (N,) ratios.

    Closed is below `threshold`, or below `relative` times the median. Runs no more than `merge_gap` open frames apart
    are one; runs shorter than `min_frames` do not count; a run that lasts to the end does, unless `tail` is
    false, as in the common counter. NaN counts as open.
    """
    values = np.asarray(ratio, np.float64)
    limit = relative * np.nanmedian(values) if threshold is None else threshold
    closed = np.flatnonzero(values < limit)
    if not len(closed):
        return 0
    runs = np.split(closed, np.flatnonzero(np.diff(closed) > merge_gap + 1) + 1)
    if not tail and closed[-1] == len(values) - 1:
        runs.pop()
    return sum(int(len(run) >= min_frames) for run in runs)
