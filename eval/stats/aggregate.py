"""From clips to one number: its value, its interval over clips, how many there were, and what to beware of.

Used for the tables of a run and for any two folders of videos alike, so that a number is computed in one way only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.metrics.degradation import Degradation
from eval.stats import bootstrap
from eval.stats.bias import expected_bias
from eval.stats.bootstrap import Array, Estimate
from eval.stats.kid import kid

Entry = dict[str, Any]
Rows = Sequence[NDArray[Any]]  # of each clip (n_i, D), n_i may be 0
MANY = 50  # resamples where a single distance takes seconds: more samples than dimensions


@dataclass(frozen=True)
class Pooled:
    """What is written down of a number, and the same number of each resample of the clips; NaN where it has none."""

    entry: Entry
    spread: Array


def entry(estimate: Estimate) -> Entry:
    """value, low, high (None where unknown), and n, the clips behind them."""
    return _finite({"value": estimate.value, "low": estimate.low, "high": estimate.high}) | {"n": estimate.n}


def mean(values: ArrayLike, counts: NDArray[np.int64], coverage: float) -> Pooled | None:
    """Of one value a clip, NaN for none; None when no clip has one."""
    estimate = bootstrap.mean(values, counts, coverage)
    return Pooled(entry(estimate), bootstrap.resampled_means(values, counts)) if estimate.n else None


def affordable(counts: NDArray[np.int64], real: Rows, fake: Rows) -> NDArray[np.int64]:
    """The resamples that a Fréchet distance of these rows can be given: the first :data:`MANY` where rows are many."""
    size = next(rows.shape[1] for rows in fake if len(rows))
    return counts[:MANY] if min(sum(map(len, real)), sum(map(len, fake))) > size else counts


def distance(
    real: Rows, fake: Rows, counts: NDArray[np.int64], coverage: float, label: str, ddof: int = 1
) -> Pooled | None:
    """A Fréchet distance, with the counts of :func:`_sizes`, `resamples`, the `bias` expected from few samples, and a
    `warning`, empty where there is none. None when a side has fewer than two rows.
    """
    if not enough(real, fake):
        return None
    counts = affordable(counts, real, fake)
    value, spread = bootstrap.resampled(real, fake, counts, label, ddof)
    made = entry(bootstrap.of_distance(value, spread, coverage, len(fake))) | _sizes(real, fake)
    made["resamples"] = len(counts)
    if not any(len(a) and len(b) for a, b in zip(real, fake, strict=True)):
        return Pooled(made | {"bias": None, "warning": "no pairs of videos, so no bias is known"}, spread)
    biased = expected_bias(real, fake, ddof=ddof)
    return Pooled(made | _finite({"bias": biased.bias}) | {"warning": biased.warning}, spread)


def kernel_distance(real: Rows, fake: Rows, counts: NDArray[np.int64], coverage: float) -> Pooled | None:
    """The unbiased KID of all rows; None as :func:`distance`. Clips are resampled with all their rows."""
    if not enough(real, fake):
        return None
    (aa, own_a, n), (bb, own_b, m), (ab, _, _) = _kernels(real, real), _kernels(fake, fake), _kernels(real, fake)

    def value(w: NDArray[Any]) -> float:
        # A clip drawn twice meets itself; pairs of a row with itself stay out, as in the whole.
        rows_a, rows_b, twice = w @ n, w @ m, w * w
        left = (w @ aa @ w - twice @ own_a) / (rows_a**2 - twice @ n)
        right = (w @ bb @ w - twice @ own_b) / (rows_b**2 - twice @ m)
        return float(left + right - 2 * (w @ ab @ w) / (rows_a * rows_b))

    defined = [(w * w) @ n < (w @ n) ** 2 and (w * w) @ m < (w @ m) ** 2 for w in counts]
    drawn = zip(counts.astype(np.float64), defined, strict=True)
    spread = np.asarray([value(w) if known else np.nan for w, known in drawn])
    low, high = bootstrap.interval(spread, coverage)
    whole = kid(*(np.concatenate([rows for rows in side if len(rows)]) for side in (real, fake)))
    return Pooled(entry(Estimate(whole, low, high, len(fake))) | _sizes(real, fake), spread)


def worsening(rated: Degradation) -> Pooled | None:
    """A degradation rate; None when no clip is long enough, or only the beginning is perfect."""
    if not rated.clips or not math.isfinite(rated.value):
        return None
    made = entry(Estimate(rated.value, rated.low, rated.high, rated.clips))
    about = {"start": rated.start, "end": rated.end, "reference": rated.reference}
    return Pooled(made | about | {"short": rated.short, "overlapping": rated.overlapping}, rated.spread)


def enough(real: Rows, fake: Rows) -> bool:
    """Whether both sides have the two rows that a distance needs."""
    return min(sum(map(len, real)), sum(map(len, fake))) >= 2


def _sizes(real: Rows, fake: Rows) -> Entry:
    """`samples` and `samples_real`, the rows of both sides; `n` and `n_real`, the clips that have any."""
    sides = (("", fake), ("_real", real))
    return {
        f"{what}{side}": count
        for side, rows in sides
        for what, count in (("n", sum(len(one) > 0 for one in rows)), ("samples", sum(map(len, rows))))
    }


def _kernels(first: Rows, second: Rows) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """KID's kernel summed over the pairs of rows of each two clips; over each row with itself; rows of each clip."""
    width = next(rows.shape[1] for rows in second if len(rows))
    sums = np.zeros((len(first), len(second)))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            if len(a) and len(b):
                sums[i, j] = ((a.astype(np.float64) @ b.astype(np.float64).T / width + 1) ** 3).sum()
    own = [float((((a.astype(np.float64) ** 2).sum(axis=1) / width + 1) ** 3).sum()) if len(a) else 0.0 for a in first]
    return sums, np.asarray(own), np.asarray([len(a) for a in first], np.float64)


def _finite(numbers: Mapping[str, float]) -> Entry:
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()}
