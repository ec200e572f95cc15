"""Aggregate per-clip values or features into one score with bootstrap confidence interval, counts and bias warning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.stats import bootstrap
from eval.stats.bias import expected_bias
from eval.stats.bootstrap import Array, Estimate
from eval.stats.kid import kid

Entry = dict[str, Any]
Rows = Sequence[NDArray[Any]]  # features of each clip, (n_i, D), n_i may be 0
COSTLY_RESAMPLES = 50  # where samples outnumber dimensions, so that a single distance takes seconds


@dataclass(frozen=True)
class Aggregate:
    """A score as recorded in a report, and its value in each bootstrap resample, (resamples,), NaN where undefined."""

    entry: Entry
    resampled: Array


def entry(estimate: Estimate) -> Entry:
    """Convert an estimate to a JSON entry: value, low, high (None where undefined) and n, the number of clips."""
    return finite({"value": estimate.value, "low": estimate.low, "high": estimate.high}) | {"n": estimate.n}


def mean(values: ArrayLike, counts: NDArray[np.int64], coverage: float) -> Aggregate | None:
    """Compute the mean of per-clip values, (clips,), NaN for a clip without a value, with its interval.

    counts: (resamples, clips), :func:`eval.stats.bootstrap.draws`. Returns None when no clip has a value.
    """
    estimate = bootstrap.mean(values, counts, coverage)
    return Aggregate(entry(estimate), bootstrap.resampled_means(values, counts)) if estimate.n else None


def affordable(
    counts: NDArray[np.int64], real: Rows, fake: Rows, costly_resamples: int | None = COSTLY_RESAMPLES
) -> NDArray[np.int64]:
    """Select the resamples for a Fréchet distance of these features.

    Returns the first `costly_resamples` rows of `counts` where feature vectors outnumber dimensions on both sides, else
    all; with None, always all.
    """
    size = next(rows.shape[1] for rows in fake if len(rows))
    costly = min(sum(map(len, real)), sum(map(len, fake))) > size
    return counts[:costly_resamples] if costly else counts


def distance(
    real: Rows,
    fake: Rows,
    counts: NDArray[np.int64],
    coverage: float,
    label: str,
    ddof: int = 1,
    costly_resamples: int | None = COSTLY_RESAMPLES,
) -> Aggregate | None:
    """Compute the Fréchet distance between pooled features, with interval, sample counts and expected bias.

    real, fake: features of each clip, (n_i, D). counts: (resamples, clips). label: of the progress bar. The entry also
    has ``samples`` and ``samples_real`` (feature vectors), ``n`` and ``n_real`` (clips), ``resamples``, the ``bias``
    expected from the number of samples (None if unknown), and a ``warning``, empty for none. Returns None when a side
    has fewer than two feature vectors.
    """
    if not enough(real, fake):
        return None
    counts = affordable(counts, real, fake, costly_resamples)
    value, resampled = bootstrap.resampled(real, fake, counts, label, ddof)
    recorded = entry(bootstrap.of_distance(value, resampled, coverage, len(fake))) | _sizes(real, fake)
    recorded["resamples"] = len(counts)
    if not any(len(a) and len(b) for a, b in zip(real, fake, strict=True)):
        return Aggregate(recorded | {"bias": None, "warning": "no pairs of videos, so no bias is known"}, resampled)
    expected = expected_bias(real, fake, ddof=ddof)
    return Aggregate(recorded | finite({"bias": expected.bias}) | {"warning": expected.warning}, resampled)


def kernel_distance(real: Rows, fake: Rows, counts: NDArray[np.int64], coverage: float) -> Aggregate | None:
    """Compute the unbiased KID of pooled features with its interval; a resample repeats clips with all their features.

    real, fake: features of each clip, (n_i, D). counts: (resamples, clips). Returns None when a side has fewer than two
    feature vectors.
    """
    if not enough(real, fake):
        return None
    (aa, self_a, n), (bb, self_b, m), (ab, _, _) = _kernels(real, real), _kernels(fake, fake), _kernels(real, fake)

    def value(w: NDArray[Any]) -> float:
        # A clip drawn twice is paired with its copy; pairs of a row with itself are excluded, as in the whole set.
        rows_a, rows_b, squared = w @ n, w @ m, w * w
        left = (w @ aa @ w - squared @ self_a) / (rows_a**2 - squared @ n)
        right = (w @ bb @ w - squared @ self_b) / (rows_b**2 - squared @ m)
        return float(left + right - 2 * (w @ ab @ w) / (rows_a * rows_b))

    defined = [(w * w) @ n < (w @ n) ** 2 and (w * w) @ m < (w @ m) ** 2 for w in counts]
    draws = zip(counts.astype(np.float64), defined, strict=True)
    resampled = np.asarray([value(w) if known else np.nan for w, known in draws])
    low, high = bootstrap.interval(resampled, coverage)
    whole = kid(*(np.concatenate([rows for rows in side if len(rows)]) for side in (real, fake)))
    return Aggregate(entry(Estimate(whole, low, high, len(fake))) | _sizes(real, fake), resampled)


def enough(real: Rows, fake: Rows) -> bool:
    """Return True if both sides have at least two feature vectors."""
    return min(sum(map(len, real)), sum(map(len, fake))) >= 2


def _sizes(real: Rows, fake: Rows) -> Entry:
    """Count the feature vectors (``samples``, ``samples_real``) and the clips that have any (``n``, ``n_real``)."""
    sides = (("", fake), ("_real", real))
    return {
        f"{what}{side}": count
        for side, rows in sides
        for what, count in (("n", sum(len(one) > 0 for one in rows)), ("samples", sum(map(len, rows))))
    }


def _kernels(first: Rows, second: Rows) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Sum KID's kernel over pairs of feature vectors, for clips i of `first` and j of `second`.

    Returns the sums over all pairs (len(first), len(second)); the sums over the pairs of a vector with itself
    (len(first),); and the number of vectors of each clip (len(first),).
    """
    width = next(rows.shape[1] for rows in second if len(rows))
    sums = np.zeros((len(first), len(second)))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            if len(a) and len(b):
                sums[i, j] = ((a.astype(np.float64) @ b.astype(np.float64).T / width + 1) ** 3).sum()
    selves = [
        float((((a.astype(np.float64) ** 2).sum(axis=1) / width + 1) ** 3).sum()) if len(a) else 0.0 for a in first
    ]
    return sums, np.asarray(selves), np.asarray([len(a) for a in first], np.float64)


def finite(numbers: Mapping[str, float]) -> Entry:
    """Replace numbers that are not finite by None: JSON has no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()}
