"""How much of a Fréchet distance is there because samples are few.

The distance of two finite samples of one distribution is not 0: with 400 dimensions and 41 windows it can be larger
than that between good and bad videos. To first order the excess is proportional to one over the number of samples
(Chong and Forsyth 2020), so distances of fewer clips, continued to infinitely many, say how large it is. Below one
sample a dimension that line is no longer straight and the estimate is too small, which the warning says.
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
_MIN_CLIPS = 8  # fewer are too alike, whichever are drawn
_LARGE = 0.5  # of the value: from here on the bias decides


@dataclass(frozen=True)
class Biased:
    """A distance, how much of it is expected from the count alone (NaN if unknown), and what to say about it.

    `warning` is empty where the number means what it says.
    """

    value: float
    bias: float
    warning: str


def expected_bias(
    real: Sequence[ArrayLike], fake: Sequence[ArrayLike], *, ddof: int = 1, repeats: int = 4, seed: int = 0
) -> Biased:
    """Features of each clip, (n_i, D), n_i may be 0, true and generated in pairs -> :class:`Biased`.

    Costs ``5 * repeats`` distances. Raises InputError for another number of clips, or features that cannot be compared.
    """
    if len(real) != len(fake) or repeats < 1:
        raise InputError(f"bias needs pairs of clips and repeats, got {len(real)}, {len(fake)} clips, {repeats}")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(real, fake, strict=True)]
    pairs = [(a, b) for a, b in pairs if len(a) and len(b)]
    if not pairs:
        raise InputError("no clip has any features; are the clips shorter than a window?")
    value, scarcity = _distance(pairs, ddof)
    samples, size = min(sum(map(len, side)) for side in zip(*pairs, strict=True)), pairs[0][0].shape[1]
    if len(pairs) < _MIN_CLIPS:
        return Biased(value, np.nan, f"{len(pairs)} clips are too few to know the bias; {_MIN_CLIPS} are needed")
    rng = numpy_generator(seed)
    points = [(value, scarcity)]
    for count in (round(share * len(pairs)) for share in _SHARES for _ in range(repeats)):
        points.append(_distance([pairs[k] for k in rng.choice(len(pairs), count, replace=False)], ddof))
    distances, scarcities = np.asarray(points).T
    # The line goes through the value itself, which is known better than any other point.
    steps = scarcities - scarcity
    slope = float(steps @ (distances - value) / (steps @ steps))
    bias = float(np.clip(slope * scarcity, 0.0, value))
    return Biased(value, bias, _warning(value, bias, samples, size))


def _distance(pairs: Sequence[tuple[np.ndarray, np.ndarray]], ddof: int) -> tuple[float, float]:
    """The distance of some clips and how scarce they are: the mean of one over the samples of either side."""
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
