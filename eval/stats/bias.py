"""Finite-sample bias of the Fréchet distance.

The distance between two finite samples of one distribution is not 0: with 400 dimensions and 41 windows it can exceed
that between good and bad videos. To first order the bias is proportional to one over the number of samples (Chong and
Forsyth 2020), so it is estimated by extrapolating distances of fewer clips to infinitely many. With fewer samples than
dimensions that relation is no longer linear and the estimate is too small, which the warning states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dawn.errors import InputError
from dawn.seeds import numpy_generator
from eval.stats.frechet import frechet

_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)  # of the clips
_MIN_CLIPS = 8  # subsets of fewer clips overlap too much
_LARGE = 0.5  # of the value: a larger bias gives a warning


@dataclass(frozen=True)
class ExpectedBias:
    """A Fréchet distance, the bias expected from the number of samples (NaN if unknown), and a warning, empty for
    none."""

    value: float
    bias: float
    warning: str


def expected_bias(
    real: Sequence[ArrayLike], fake: Sequence[ArrayLike], *, ddof: int = 1, repeats: int = 4, seed: int = 0
) -> ExpectedBias:
    """Estimate the bias of a Fréchet distance by linear extrapolation in one over the number of samples.

    real, fake: features of each clip, (n_i, D), n_i may be 0, in pairs. repeats: random subsets of clips for each of 5
    sizes; each costs one distance. Raises InputError for unequal numbers of clips and for features that cannot be
    compared.
    """
    if len(real) != len(fake) or repeats < 1:
        raise InputError(f"bias needs pairs of clips and repeats, got {len(real)}, {len(fake)} clips, {repeats}")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(real, fake, strict=True)]
    pairs = [(a, b) for a, b in pairs if len(a) and len(b)]
    if not pairs:
        raise InputError("no clip has any features; are the clips shorter than a window?")
    value, inverse_count = _distance(pairs, ddof)
    samples, size = min(sum(map(len, side)) for side in zip(*pairs, strict=True)), pairs[0][0].shape[1]
    if len(pairs) < _MIN_CLIPS:
        return ExpectedBias(value, np.nan, f"{len(pairs)} clips are too few to know the bias; {_MIN_CLIPS} are needed")
    rng = numpy_generator(seed)
    points = [(value, inverse_count)]
    for count in (round(share * len(pairs)) for share in _SHARES for _ in range(repeats)):
        points.append(_distance([pairs[k] for k in rng.choice(len(pairs), count, replace=False)], ddof))
    distances, inverse_counts = np.asarray(points).T
    # The fitted line passes through the value of all clips, whose variance is smallest.
    steps = inverse_counts - inverse_count
    slope = float(steps @ (distances - value) / (steps @ steps))
    bias = float(np.clip(slope * inverse_count, 0.0, value))
    return ExpectedBias(value, bias, _warning(value, bias, samples, size))


def _distance(pairs: Sequence[tuple[np.ndarray, np.ndarray]], ddof: int) -> tuple[float, float]:
    """Compute the distance of some clips, and the mean over both sides of one over the number of samples."""
    real, fake = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return frechet(real, fake, ddof), (1 / len(real) + 1 / len(fake)) / 2


def _warning(value: float, bias: float, samples: int, size: int) -> str:
    if samples <= size:
        return (
            f"{samples} samples for {size} dimensions: of {value:.4g} at least {bias:.4g} is expected from their number"
            " alone; compare only with figures of equally many"
        )
    if bias > _LARGE * value:
        return f"most of {value:.4g} ({bias:.4g}) is expected from {samples} samples alone; measure more clips"
    return ""
