"""Blinks per second, counted on the eye aspect ratio, EAR (Soukupova and Cech 2016).

.. math:: Blink/s = blinks / (frames / 25)

A blink is a run of at least 2 frames in which the EAR, mean of both eyes, is below a threshold; runs at most one open
frame apart are one. The EAR is height over width of an eye: :math:`|p_{43} - p_{47}| / |p_{45} - p_{42}|` of the 68
landmarks (one pair of lid points, as in the authors' code), or :math:`(|p_2 - p_6| + |p_3 - p_5|) / (2 |p_1 - p_4|)`
over an eye's six points. Detector and threshold decide the value (the paper names neither; its real videos blink 0.75
times per second on HDTF), so each definition is a separate metric:

========================  ==============  =============================================================
``blink``                 one lid pair    threshold 0.7 times the clip's median EAR
``blink_ear6_median0.7``  two lid pairs   threshold 0.7 times the clip's median EAR
``blink_ear6_0.20``       two lid pairs   threshold 0.20, gaps not merged, an open end not counted
``blink_ear6_0.25``       two lid pairs   threshold 0.25, gaps not merged, an open end not counted
========================  ==============  =============================================================

The first threshold is relative because faces differ more in their EAR than the fixed thresholds in use (0.2 to 0.35).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from eval.extract.catalogue import FACE_MESH
from eval.extract.rates import FPS
from eval.extract.spec import Features
from eval.metrics.clip_set import NO_FACE, mean_over_clips
from eval.metrics.registry import DOWN, Metric

NAME = "ear-median0.7-2frames"


def lid_pair_means(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the left and right eye aspect ratio (..., 2) over both pairs of lid points from landmarks (..., 68, 2).

    ``(|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|)`` of the six points of an eye, as Soukupova and Cech define it; the
    networks are conditioned on the ratio over one pair. An eye of zero width gives 0.
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
    """One definition of a blink: the signal, a key of :data:`DETECTORS`, and the arguments of :func:`blink_count`."""

    name: str
    detector: str
    threshold: float | None = None
    min_frames: int = 2
    merge_gap: int = 1
    tail: bool = True
    relative: float = 0.7

    def rate(self, landmarks: NDArray[np.float32], fps: float = FPS) -> float:
        """Compute blinks per second from landmarks (N, 68, 2); NaN when no frame has finite ones."""
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


def blink_rate(eyes: ArrayLike, fps: float = FPS, counter: Counter = ADAPTIVE) -> float:
    """Compute blinks per second from eye aspect ratios (N, 2), left and right; NaN when no frame has a finite ratio.

    Raises InputError on shapes and for no frames.
    """
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
    """Count the runs of closed frames in eye aspect ratios (N,).

    Closed: below `threshold`, or, if that is None, below `relative` times the median. Runs at most `merge_gap` open
    frames apart are one; runs shorter than `min_frames` do not count; a run that lasts to the end counts, unless `tail`
    is False, as in the commonly copied counter. NaN is open.
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


def _of_clip(counter: Counter) -> Callable[[Features], tuple[float, str]]:
    def of_clip(features: Features) -> tuple[float, str]:
        mesh = features[FACE_MESH.name]
        return (counter.rate(mesh["landmarks"], FPS), "") if mesh["found"].any() else (np.nan, NO_FACE)

    return of_clip


def _parameters() -> dict[str, Any]:
    return {"blink": {"detector": NAME}}


def _blink(counter: Counter, order: int) -> Metric:
    main = counter is ADAPTIVE
    way = counter.name.removesuffix("-2frames")
    return Metric(
        name="blink" if main else f"blink_{way.replace('-', '_')}",
        title="Blink/s" if main else f"Blink/s ({way})",
        better="near",
        note="blinks a second",
        protocol=counter.name,
        digits=2,
        backbone=counter.name,
        column="blink_per_s" if main else "",
        order=order,
        real=(FACE_MESH,),
        fake=(FACE_MESH,),
        compute=mean_over_clips(_of_clip(counter)),
        per_clip=True,
        parameters=_parameters if main else dict,
        follows={"freeze": DOWN} if main else {},
    )


METRICS = tuple(_blink(counter, order) for order, counter in enumerate(COUNTERS.values(), 110))
