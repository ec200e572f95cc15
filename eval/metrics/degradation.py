r"""Degradation rate, DR_n: how much worse a video is at its end than at its beginning (paper, Tables 2 and 5).

.. math:: DR_n = FID(last\ n\ frames) / FID(first\ n\ frames) - 1, \quad n = 25, 50

Frames are pooled over all videos, n from each end of a generated video. No unit; 0: no degradation. The paper does not
state the real frames that both are compared with: here those of the same indices (``matched``), which removes what real
videos change over time; or, where a generated video is longer than its real one, all real frames for both ends
(``all``). ``dr25`` and ``dr50`` use FID (:mod:`eval.metrics.fid`); ``dr25_efficientnet`` and ``dr50_efficientnet`` use
:mod:`eval.metrics.fd_efficientnet` on every 5th frame, so n / 5 frames of each video. Videos shorter than n are
excluded (``short``); between n and 2 n both ends share frames (``overlapping``), which lowers the rate. Without any
degradation the rate of 41 videos has a standard deviation of about 0.05 at n = 25.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from eval.extract.spec import FeatureSpec
from eval.metrics.clip_set import TOO_SHORT, ClipSet, MetricResult, unpaired
from eval.metrics.fd_efficientnet import EVERY, FIFTH_FRAMES
from eval.metrics.fd_efficientnet import NETWORK as EFFICIENTNET
from eval.metrics.fid import INCEPTION_FRAMES
from eval.metrics.registry import Metric
from eval.stats import aggregate, bootstrap
from eval.stats.aggregate import Aggregate
from eval.stats.bootstrap import Array, Estimate

LENGTHS = (25, 50)
REFERENCES = ("matched", "all")
_ROUNDING = 1e-10  # relative to the variance of the real frames: a smaller distance is 0


@dataclass(frozen=True)
class Degradation:
    """Degradation rate with its interval, NaN where no clip is long enough; both distances; and counts of clips.

    length: frames at either end. reference: one of :data:`REFERENCES`. start, end: distances of the first and of the
    last frames. clips: pooled; short: excluded because they have fewer than `length` frames; overlapping: of the pooled
    clips, those whose first and last frames overlap. resampled: the rate in each resample, NaN where undefined.
    """

    length: int
    reference: str
    value: float
    low: float
    high: float
    start: float
    end: float
    clips: int
    short: int
    overlapping: int
    resampled: Array = field(repr=False, compare=False)


def rate(start: float, end: float) -> float:
    """Compute ``end / start - 1`` from the distances of the last and of the first frames.

    0 where both are 0, infinite where only `start` is. Raises InputError for a negative or undefined distance.
    """
    if not (start >= 0 and end >= 0):
        raise InputError(f"a degradation rate needs distances >= 0, got {start} and {end}")
    if start == 0:
        return 0.0 if end == 0 else float("inf")
    return end / start - 1


def degradation(
    real: Sequence[ArrayLike],
    fake: Sequence[ArrayLike],
    length: int,
    *,
    reference: str = "matched",
    resamples: int = 1000,
    seed: int = 0,
    coverage: float = 0.95,
) -> Degradation:
    """Compute the degradation rate from features (N_i, D) of each clip's real and generated frames, one row per frame.

    length: frames at either end. reference: with ``matched``, frames beyond the shorter side of a clip are not
    compared; with ``all``, the ends are those of the generated video. Clips are resampled with all their frames, the
    same clips for both ends. Raises InputError for unequal numbers of clips or an invalid option.
    """
    if length < 2 or reference not in REFERENCES:
        raise InputError(
            f"degradation needs 2 frames or more and one of {', '.join(REFERENCES)}: {length}, {reference}"
        )
    if len(real) != len(fake):
        raise InputError(f"degradation compares pairs of clips, got {len(real)} real and {len(fake)} generated ones")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(real, fake, strict=True)]
    frames = [len(b) if reference == "all" else min(len(a), len(b)) for a, b in pairs]
    used = [(a, b, count) for (a, b), count in zip(pairs, frames, strict=True) if count >= length]
    short, overlapping = len(pairs) - len(used), sum(count < 2 * length for _, _, count in used)
    if not used:
        nothing = np.full(resamples, np.nan)
        return Degradation(length, reference, np.nan, np.nan, np.nan, np.nan, np.nan, 0, short, 0, nothing)
    counts = bootstrap.draws(len(used), resamples, seed)
    whole = [a for a, _, _ in used]
    starts = [a[:length] for a in whole] if reference == "matched" else whole
    ends = [a[count - length : count] for a, _, count in used] if reference == "matched" else whole
    start, resampled_start = _distances(starts, [b[:length] for _, b, _ in used], counts, f"DR{length} start")
    end, resampled_end = _distances(
        ends, [b[count - length : count] for _, b, count in used], counts, f"DR{length} end"
    )
    pairs_of_ends = zip(resampled_start, resampled_end, strict=True)
    resampled = np.asarray([rate(x, y) if x >= 0 and y >= 0 else np.nan for x, y in pairs_of_ends])
    low, high = bootstrap.interval(resampled, coverage)
    value = rate(start, end)
    return Degradation(length, reference, value, low, high, start, end, len(used), short, overlapping, resampled)


def _distances(
    real: Sequence[Array], fake: Sequence[Array], counts: NDArray[np.int64], label: str
) -> tuple[float, Array]:
    """Compute a distance and its resampled values, those within rounding of 0 set to 0."""
    value, resampled = bootstrap.resampled(real, fake, counts, label)
    noise = _ROUNDING * float(np.concatenate(real).astype(np.float64).var(axis=0).sum())
    rounded = np.where(resampled > noise, resampled, np.where(np.isnan(resampled), np.nan, 0.0))
    return (value if value > noise else 0.0), rounded


def to_aggregate(degraded: Degradation) -> Aggregate | None:
    """Convert the rate to a score; None where no clip is long enough, or only the distance at the beginning is 0."""
    if not degraded.clips or not math.isfinite(degraded.value):
        return None
    estimate = Estimate(degraded.value, degraded.low, degraded.high, degraded.clips)
    ends = {"start": degraded.start, "end": degraded.end, "reference": degraded.reference}
    counts = {"short": degraded.short, "overlapping": degraded.overlapping}
    return Aggregate(aggregate.entry(estimate) | ends | counts, degraded.resampled)


def _degradation(spec: FeatureSpec, length: int, every: int) -> Callable[[ClipSet], MetricResult]:
    """Create a metric function for `length` frames, of which every `every`-th has features; pairs of videos only."""

    def compute(clips: ClipSet) -> MetricResult:
        lone = [unpaired(real, fake) for real, fake in zip(clips.real, clips.fake, strict=True)]
        real = [rows for rows, reason in zip(clips.rows("real", spec), lone, strict=True) if not reason]
        fake = [rows for rows, reason in zip(clips.rows("fake", spec), lone, strict=True) if not reason]
        longer = any(len(b) > len(a) for a, b in zip(real, fake, strict=True))
        counts = clips.counts
        if aggregate.enough(real, real):
            counts = aggregate.affordable(counts, real, real, clips.rate_limit)
        degraded = degradation(
            real,
            fake,
            length // every,
            reference="all" if longer else "matched",
            resamples=len(counts),
            seed=clips.seed,
            coverage=clips.coverage,
        )
        frames = iter(len(b) if longer else min(len(a), len(b)) for a, b in zip(real, fake, strict=True))
        reasons = [reason or (TOO_SHORT if next(frames) < length // every else "") for reason in lone]
        return MetricResult(to_aggregate(degraded), reasons)

    return compute


def _parameters() -> dict[str, Any]:
    return {"dr_efficientnet": {"true frames": "of the same indices; all, where a video is longer than its clip"}}


def _rate(length: int, efficientnet: bool, order: int) -> Metric:
    spec, every = (FIFTH_FRAMES, EVERY) if efficientnet else (INCEPTION_FRAMES, 1)
    note = f"FID of the last {length} frames over that of the first {length}, less 1"
    return Metric(
        name=f"dr{length}_efficientnet" if efficientnet else f"dr{length}",
        title=f"DR{length} (EfficientNet)" if efficientnet else f"DR{length}",
        tex=rf"DR\textsubscript{{{length}{',EfficientNet' if efficientnet else ''}}}",
        better="zero",
        note="the same with FD (EfficientNet) in place of FID, on every fifth frame" if efficientnet else note,
        protocol=f"distance of the last {length} frames over that of the first {length}, less 1; pairs only",
        digits=3,
        backbone=EFFICIENTNET if efficientnet else "inception-fid",
        order=order,
        real=(spec,),
        fake=(spec,),
        compute=_degradation(spec, length, every),
        parameters=_parameters if efficientnet else dict,
    )


METRICS = (
    *(_rate(length, False, order) for order, length in enumerate(LENGTHS, 140)),
    *(_rate(length, True, order) for order, length in enumerate(LENGTHS, 150)),
)
