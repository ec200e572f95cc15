"""Bootstrap confidence intervals over clips.

Windows of one clip are correlated, so a clip is drawn with all its windows; values of the same clips (real and
generated videos, two methods) share the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from dawn.errors import InputError
from dawn.seeds import numpy_generator
from eval.stats.frechet import features, frechet

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its percentile interval and the number of clips; NaN where nothing could be measured."""

    value: float
    low: float
    high: float
    n: int


def draws(clips: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw bootstrap resamples of `clips` clips: (resamples, clips), how often each clip occurs in each resample.

    Raises InputError for fewer than one clip or resample.
    """
    if clips < 1 or resamples < 1:
        raise InputError(f"cannot draw {resamples} resamples of {clips} clips")
    return numpy_generator(seed).multinomial(clips, np.full(clips, 1 / clips), size=resamples)


def mean(values: ArrayLike, counts: NDArray[np.int64], coverage: float = 0.95) -> Estimate:
    """Compute the mean of one value per clip, (clips,), with its interval.

    Clips without a value (NaN) are excluded and not counted in n. Raises InputError for another number of clips than
    `counts` has.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) != counts.shape[1]:
        raise InputError(f"expected one value for each of {counts.shape[1]} clips, got {array.shape}")
    valid = np.isfinite(array)
    if not valid.any():
        return Estimate(np.nan, np.nan, np.nan, 0)
    low, high = interval(resampled_means(array, counts), coverage)
    return Estimate(float(array[valid].mean()), low, high, int(valid.sum()))


def resampled_means(values: ArrayLike, counts: NDArray[np.int64]) -> Array:
    """Compute the mean of one value per clip, (clips,), in each resample: (resamples,), NaN where no drawn clip has a
    value."""
    array = np.asarray(values, np.float64)
    valid = np.isfinite(array)
    weights = counts[:, valid]
    total = weights.sum(axis=1)
    return np.divide(weights @ array[valid], total, out=np.full(len(counts), np.nan), where=total > 0)


def of_distance(value: float, resampled: Array, coverage: float, clips: int) -> Estimate:
    """Create the estimate of a distance from its resampled values (:func:`resampled`); the interval is clipped at 0."""
    low, high = interval(resampled, coverage)
    return Estimate(value, float(np.maximum(0.0, low)), high, clips)


def resampled(
    real: Sequence[ArrayLike],
    fake: Sequence[ArrayLike],
    counts: NDArray[np.int64],
    label: str = "bootstrap",
    ddof: int = 1,
) -> tuple[float, Array]:
    """Compute the Fréchet distance between the pooled features of clips, and its value in each resample, (resamples,).

    real, fake: features of each clip, (n_i, D), n_i may be 0. A resample repeats clips, and fewer distinct windows
    alone raise a Fréchet distance; the resampled values are therefore shifted so that their mean is the distance: the
    interval shows the variation, not that bias. NaN where a resample has fewer than two feature vectors on a side.
    Raises InputError where no clip of a side has features.
    """
    a, clip_a = _pool(real, counts, "real")
    b, clip_b = _pool(fake, counts, "generated")
    value, weighted = frechet(a, b, ddof), WeightedFrechet(a, b, ddof)
    bar = tqdm(counts, desc=label, unit="resample", mininterval=2, leave=False)
    values = np.asarray([weighted.distance(count[clip_a], count[clip_b]) for count in bar])
    if np.isfinite(values).any():
        values += value - np.nanmean(values)
    return value, values


def interval(values: ArrayLike, coverage: float = 0.95) -> tuple[float, float]:
    """Compute the percentile interval (low, high) of resampled values; NaN values are excluded, NaN for none."""
    array = np.asarray(values, np.float64)
    known = array[~np.isnan(array)]
    return _percentiles(known, coverage) if len(known) else (float("nan"), float("nan"))


class WeightedFrechet:
    """Fréchet distances of weighted subsets of two feature sets, from inner products that are computed once.

    With row weights w of sum n and ``K = X Y^T``, the nuclear norm of the centred and scaled K of a resample is the
    distance's cross term, and the trace terms follow from the diagonals of ``X X^T`` and ``Y Y^T``. Where rows
    outnumber dimensions, the distance is computed from the repeated rows instead, since covariances are smaller then.
    """

    def __init__(self, a: Array, b: Array, ddof: int) -> None:
        centre = (a.mean(axis=0) + b.mean(axis=0)) / 2  # a common shift changes no distance and preserves precision
        a, b = a - centre, b - centre
        self.few = min(len(a), len(b)) <= a.shape[1]
        self.a, self.b, self.ddof = a, b, ddof
        if self.few:
            self.aa, self.bb, self.ab = a @ a.T, b @ b.T, a @ b.T

    def distance(self, weight_a: NDArray[np.int64], weight_b: NDArray[np.int64]) -> float:
        """Compute the distance with rows repeated by integer weights, (N,) and (M,); NaN if a side has a total below
        two."""
        rows, columns = np.flatnonzero(weight_a), np.flatnonzero(weight_b)
        u, v = weight_a[rows].astype(np.float64), weight_b[columns].astype(np.float64)
        n, m = u.sum(), v.sum()
        if n < 2 or m < 2:
            return float("nan")
        if not self.few:
            a, b = np.repeat(self.a[rows], weight_a[rows], 0), np.repeat(self.b[columns], weight_b[columns], 0)
            return frechet(a, b, self.ddof)
        p, q = u / n, v / m
        less_n, less_m = n - self.ddof, m - self.ddof
        aa, bb, ab = self.aa[np.ix_(rows, rows)], self.bb[np.ix_(columns, columns)], self.ab[np.ix_(rows, columns)]
        paa, qbb, left, right = p @ aa @ p, q @ bb @ q, p @ ab, ab @ q
        pab = float(p @ right)
        traces = (u @ np.diag(aa) - n * paa) / less_n + (v @ np.diag(bb) - m * qbb) / less_m
        centred = ab - left[None, :] - right[:, None] + pab
        centred *= np.sqrt(np.outer(u / less_n, v / less_m))
        nuclear = np.linalg.svd(centred, compute_uv=False).sum()
        return max(0.0, float(paa + qbb - 2 * pab + traces - 2 * nuclear))


def _pool(clips: Sequence[ArrayLike], counts: NDArray[np.int64], name: str) -> tuple[Array, NDArray[np.int64]]:
    if len(clips) != counts.shape[1]:
        raise InputError(f"{name}: features of {len(clips)} clips, draws of {counts.shape[1]}")
    """The rows of all clips, (sum n_i, D), and the index of each row's clip."""
    arrays = [np.asarray(clip) for clip in clips]
    with_rows = [array for array in arrays if len(array)]
    if not with_rows:
        raise InputError(f"{name}: no clip has any features; are the clips shorter than a window?")
    clip_of_row = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
    return features(np.concatenate(with_rows), name), clip_of_row


def _percentiles(values: Array, coverage: float) -> tuple[float, float]:
    tail = 50 * (1 - coverage)
    # Between infinities nothing can be interpolated.
    method: Literal["linear", "nearest"] = "linear" if np.isfinite(values).all() else "nearest"
    low, high = np.percentile(values, [tail, 100 - tail], method=method)
    return float(low), float(high)
