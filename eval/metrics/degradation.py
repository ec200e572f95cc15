"""Degradation rate DR_n: how much worse a generated video is at its end than at its beginning (paper, Tables 2 and 5).

``FID(last n frames) / FID(first n frames) - 1``, frames pooled over all videos, windows taken once for each video as it
was generated. The paper does not say what the frames are compared with: here the true frames of the same indices
(``matched``), which removes what true videos change over time; ``all`` takes every true frame for both.

Without any degradation the rate of 41 videos still scatters by about 0.05 at n = 25: read it with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from eval.stats import bootstrap
from eval.stats.bootstrap import Array

LENGTHS = (25, 50)
REFERENCES = ("matched", "all")
_ROUNDING = 1e-10  # of the true frames' variance: a distance below it is 0


@dataclass(frozen=True)
class Degradation:
    """The rate and its interval, NaN where no clip is long enough; the two distances; the clips behind them.

    `clips` were pooled, `short` were left out since they have fewer than `length` frames, and in `overlapping` of the
    pooled ones first and last frames share some, which draws the rate towards 0.
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
    spread: Array = field(repr=False, compare=False)  # of each resample; NaN where it is not defined


def rate(start: float, end: float) -> float:
    """Distances of the first and of the last frames -> ``end / start - 1``: 0 where both are 0, else infinite for a
    perfect beginning. Raises InputError for a negative or undefined distance."""
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
    """(N_i, D) features of each clip's true and generated frames in order, a row a frame -> :class:`Degradation`.

    Against ``matched`` frames, those beyond the shorter side of a clip are not compared; against ``all``, the generated
    video has its own beginning and end. Clips are resampled with all their frames, the same ones for both ends. Raises
    InputError for another number of clips or a bad option.
    """
    if length < 2 or reference not in REFERENCES:
        raise InputError(
            f"degradation needs 2 frames or more and one of {', '.join(REFERENCES)}: {length}, {reference}"
        )
    if len(real) != len(fake):
        raise InputError(f"degradation compares pairs of clips, got {len(real)} true and {len(fake)} generated ones")
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
    start, start_spread = _distances(starts, [b[:length] for _, b, _ in used], counts, f"DR{length} start")
    end, end_spread = _distances(ends, [b[count - length : count] for _, b, count in used], counts, f"DR{length} end")
    ends_of = zip(start_spread, end_spread, strict=True)
    spread = np.asarray([rate(x, y) if x >= 0 and y >= 0 else np.nan for x, y in ends_of])
    low, high = bootstrap.interval(spread, coverage)
    value = rate(start, end)
    return Degradation(length, reference, value, low, high, start, end, len(used), short, overlapping, spread)


def _distances(
    real: Sequence[Array], fake: Sequence[Array], counts: NDArray[np.int64], label: str
) -> tuple[float, Array]:
    """A distance and those of the resamples, none below 0 and all that are rounding exactly 0."""
    value, spread = bootstrap.resampled(real, fake, counts, label)
    noise = _ROUNDING * float(np.concatenate(real).astype(np.float64).var(axis=0).sum())
    return (value if value > noise else 0.0), np.where(spread > noise, spread, np.where(np.isnan(spread), np.nan, 0.0))
