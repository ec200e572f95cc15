"""Energy score of sampled motion: a loss that only the true distribution of motions minimises.

For a true motion y and independent samples X, X' given the same conditions, the energy score is

    E|X - y| - 1/2 E|X - X'|

(Gneiting and Raftery 2007, eq. 22). It is a strictly proper scoring rule: in the mean over the corpus, no distribution
of X has a lower score than that of y. A decoder that ignores its noise has X = X', so it pays the whole distance of
its motion from the truth. The paper's losses do not have this property: the reconstruction uses the latent code of the
true motion, and the discriminator receives one motion for each condition, so that a single motion for all noise
satisfies both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

WINDOWS = (4, 16)  # frames of the windows in which channels are compared one by one, beside the whole sequence
SPEED_WINDOW = 8  # frames of the windows in which differences of successive frames are compared
SPEED_WEIGHT = 4.0  # of those differences, which are smaller than positions
_TINY = 1e-6  # keeps the root differentiable where a distance is zero


def energy_score(samples: Sequence[Tensor], truth: Tensor, mask: Tensor, unit: Tensor) -> Tensor:
    """Compute the energy score, a scalar, of two `samples` for each true motion, all (b, n, c).

    `mask` (b, n) is false for padding; `unit` (c,) is the scale of each channel. Distances are root mean squares over
    frames, so that the score of each part is of order 1. It is the sum over parts of a motion: the whole, each channel,
    windows of each channel, and windows of its differences in time. Each part's score is proper; the whole's makes the
    sum strictly proper, the others make it learnable within hundreds of steps.
    """
    motions = torch.stack([*samples, truth]) / unit
    frames = mask.to(motions.dtype)[:, :, None].expand(-1, -1, motions.shape[-1])
    total = _score(motions.flatten(2), frames.flatten(1)) + _score(motions.mT, frames.mT)
    speed = SPEED_WEIGHT * motions.diff(dim=2)
    for values, valid, window in (
        *((motions, frames, window) for window in WINDOWS),
        (speed, frames[:, 1:], SPEED_WINDOW),
    ):
        if values.shape[2] >= window:
            step = max(1, window // 2)
            total = total + _score(values.unfold(2, window, step), valid.unfold(1, window, step))
    return total


def _score(motions: Tensor, valid: Tensor) -> Tensor:
    """Compute the mean score of parts: `motions` (3, ..., n) are two samples and the truth, `valid` (..., n) is 0 or 1.

    Distances are over the last axis; a part without a valid frame has no weight.
    """
    count = valid.sum(-1)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (((a - b) ** 2 * valid).sum(-1) / count.clamp(min=1) + _TINY).sqrt()

    first, second, truth = motions.unbind()
    scores = 0.5 * (distance(first, truth) + distance(second, truth)) - 0.5 * distance(first, second)
    weight = (count > 0).to(scores.dtype)
    return (scores * weight).sum() / weight.sum().clamp(min=1)
