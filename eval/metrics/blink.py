"""Blinks a second, counted on the eye aspect ratio (Soukupova and Cech 2016).

The paper names no detector and its true videos blink 0.75 times a second on HDTF, so detector and threshold decide the
number. Here an eye is closed below a share of the clip's own median: faces differ more in their ratio than the fixed
thresholds in use (0.2 to 0.35) allow. Each way of counting has a name (:data:`COUNTERS`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios

NAME = "ear-median0.7-2frames"


def lid_pair_means(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks (..., 68, 2) -> (..., 2) left and right eye aspect ratio over both pairs of lid points.

    ``(|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|)`` of the six points of an eye, as Soukupova and Cech define it; the ratio
    that the networks are driven by takes one pair. An eye without width gives 0.
    """
    eyes = np.stack([landmarks[..., 42:48, :], landmarks[..., 36:42, :]], axis=-3)
    gap = np.linalg.norm(eyes[..., [1, 2], :] - eyes[..., [5, 4], :], axis=-1).sum(axis=-1)
    width = 2 * np.linalg.norm(eyes[..., 0, :] - eyes[..., 3, :], axis=-1)
    return np.divide(gap, width, out=np.zeros_like(gap), where=width > 0).astype(np.float32)


DETECTORS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "ear-one-pair": eye_aspect_ratios,
    "ear-two-pairs": lid_pair_means,
}


@dataclass(frozen=True)
class Counter:
    """A way of counting: the signal, a key of :data:`DETECTORS`, and what :func:`blink_count` takes."""

    name: str
    detector: str
    threshold: float | None = None
    min_frames: int = 2
    merge_gap: int = 1
    tail: bool = True
    relative: float = 0.7

    def rate(self, landmarks: NDArray[np.float32], fps: float = 25.0) -> float:
        """(N, 68, 2) landmarks -> blinks a second; NaN when no frame has finite ones."""
        return blink_rate(DETECTORS[self.detector](landmarks), fps, self)


ADAPTIVE = Counter(NAME, "ear-one-pair")
COUNTERS = {
    counter.name: counter
    for counter in (
        ADAPTIVE,
        Counter("ear6-median0.7-2frames", "ear-two-pairs"),
        Counter("ear6-0.20-2frames", "ear-two-pairs", threshold=0.2, merge_gap=0, tail=False),
        Counter("ear6-0.25-2frames", "ear-two-pairs", threshold=0.25, merge_gap=0, tail=False),
    )
}


def blink_rate(eyes: ArrayLike, fps: float = 25.0, counter: Counter = ADAPTIVE) -> float:
    """(N, 2) eye aspect ratios, left and right -> blinks a second; NaN when no frame has a finite ratio."""
    array = np.asarray(eyes, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise InputError(f"blinks are counted on (N >= 1, 2) eye aspect ratios, got {array.shape}")
    ratio = array.mean(axis=1)
    if not np.isfinite(ratio).any():
        return float("nan")
    count = blink_count(
        ratio,
        relative=counter.relative,
        threshold=counter.threshold,
        min_frames=counter.min_frames,
        merge_gap=counter.merge_gap,
        tail=counter.tail,
    )
    return count / (len(ratio) / fps)


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
