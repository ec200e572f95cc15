"""Input and output of metrics: features of paired videos, and a result with the reasons for excluded clips.

Also the two aggregations that most metrics use: the Fréchet distance between pooled features, and the mean over clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eval.extract.sampling import Side
from eval.extract.spec import Features, FeatureSpec
from eval.stats import aggregate
from eval.stats.aggregate import COSTLY_RESAMPLES, Aggregate

READS = ("*.py",)  # the metrics, which are called through the registry with a ClipSet

# Reasons for which a clip is excluded.
ABSENT = "no video of that name"
UNREADABLE = "cannot be read"
NO_AUDIO = "no sound"
NO_FACE = "no face in any frame"
TOO_SHORT = "too short"

Video: TypeAlias = Features | str  # features by name; or the reason for their absence: ABSENT, UNREADABLE
SIDES: dict[Side, str] = {"real": "true", "fake": "generated"}
ClipValue = Callable[[Features], tuple[float, str]]  # features of a video -> value and "", or NaN and the reason


@dataclass(frozen=True)
class ClipSet:
    """Features of real and generated videos, clip by clip, and the bootstrap resamples of clips for confidence
    intervals.

    counts: (resamples, clips), how often each clip is drawn (:func:`eval.stats.bootstrap.draws`).
    coverage: of the intervals, in (0, 1).
    distance_limit, rate_limit: number of resamples of a Fréchet distance and of a degradation rate where samples
    outnumber dimensions, so that a single distance takes seconds; None: all.
    """

    real: Sequence[Video]
    fake: Sequence[Video]
    counts: NDArray[np.int64]
    coverage: float
    seed: int
    distance_limit: int | None = COSTLY_RESAMPLES
    rate_limit: int | None = COSTLY_RESAMPLES

    def side(self, side: Side) -> Sequence[Video]:
        """Return the videos of one side."""
        return self.real if side == "real" else self.fake

    def rows(self, side: Side, spec: FeatureSpec, array: str = "rows") -> list[NDArray[Any]]:
        """Return one array (n_i, ...) of each video of a side, with n_i = 0 for a video without features."""
        videos = self.side(side)
        width = next((video[spec.name][array].shape[1:] for video in videos if not isinstance(video, str)), (0,))
        return [
            np.empty((0, *width), np.float32) if isinstance(video, str) else video[spec.name][array] for video in videos
        ]


@dataclass
class MetricResult:
    """Result of a metric on a clip set.

    aggregate: the value with its interval, and its resampled values; None where nothing could be measured.
    reasons: for each clip why it is excluded; empty where it counts.
    details: further numbers that belong to the value, such as the mean over the real videos (``real``).
    clips, real: values of each generated and each real video, where the metric is a mean over clips; else empty.
    null, null_clips: the same at chance level, for metrics that have one.
    columns: further columns of a table with one row per clip, by name.
    """

    aggregate: Aggregate | None
    reasons: list[str]
    details: dict[str, Any] = field(default_factory=dict)
    clips: list[float] = field(default_factory=list)
    real: list[float] = field(default_factory=list)
    null: Aggregate | None = None
    null_clips: list[float] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)


def unpaired(real: Video, fake: Video) -> str:
    """Return the reason why a pair cannot be compared; empty where both videos have features."""
    if isinstance(real, str):
        return reason_of("real", real)
    return reason_of("fake", fake) if isinstance(fake, str) else ""


def reason_of(side: Side, video: Video) -> str:
    """Return the reason why a video of one side is excluded."""
    return f"{SIDES[side]} one: {video if isinstance(video, str) else TOO_SHORT}"


def without_rows(clips: ClipSet, real: aggregate.Rows, fake: aggregate.Rows) -> list[str]:
    """Return the reasons of a distance between pooled features: for each clip, its videos that have no feature vectors.

    A video without a partner counts, so its absent partner is no reason.
    """
    reasons = []
    for a, b, real_video, fake_video in zip(real, fake, clips.real, clips.fake, strict=True):
        sides: tuple[tuple[Side, NDArray[Any], Video], ...] = (("real", a, real_video), ("fake", b, fake_video))
        left_out = [reason_of(side, video) for side, rows, video in sides if not len(rows) and video != ABSENT]
        reasons.append("; ".join(left_out))
    return reasons


def frechet_distance(real: FeatureSpec, fake: FeatureSpec, ddof: int = 1) -> Callable[[ClipSet], MetricResult]:
    """Create a metric function: Fréchet distance between pooled features of all real and of all generated videos.

    real, fake: features of the real and of the generated videos, array ``rows`` (n_i, D). ddof: of the covariances.
    """

    def compute(clips: ClipSet) -> MetricResult:
        rows = clips.rows("real", real), clips.rows("fake", fake)
        found = aggregate.distance(
            *rows, clips.counts, clips.coverage, real.name, ddof, costly_resamples=clips.distance_limit
        )
        return MetricResult(found, without_rows(clips, *rows))

    return compute


def mean_over_clips(
    of_clip: ClipValue, null: Callable[[ClipSet], list[float]] | None = None
) -> Callable[[ClipSet], MetricResult]:
    """Create a metric function: mean of `of_clip` over the generated videos, with that over the real ones in ``real``.

    null: values of each generated video at chance level, NaN for none; aggregated over the videos that count.
    """

    def compute(clips: ClipSet) -> MetricResult:
        fake, real = (
            [(np.nan, video) if isinstance(video, str) else of_clip(video) for video in side]
            for side in (clips.fake, clips.real)
        )
        values, real_values = ([value for value, _ in side] for side in (fake, real))
        known = [value for value in real_values if np.isfinite(value)]
        result = MetricResult(
            aggregate.mean(values, clips.counts, clips.coverage),
            [reason for _, reason in fake],
            {"real": float(np.mean(known)) if known else None},
            values,
            real_values,
        )
        if null is not None:
            result.null_clips = np.where(np.isfinite(values), null(clips), np.nan).tolist()
            result.null = aggregate.mean(result.null_clips, clips.counts, clips.coverage)
            result.details["null"] = None if result.null is None else result.null.entry["value"]
        return result

    return compute
