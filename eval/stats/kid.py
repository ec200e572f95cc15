"""Kernel Inception distance (Bińkowski et al. 2018): unbiased squared MMD of features under a cubic kernel.

Unlike FID its expectation does not depend on how many samples there are, so that few can be compared; it may be
negative. Suites average it over random subsets, which only adds noise where the whole set fits into memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dawn.errors import InputError
from dawn.seeds import numpy_generator
from eval.stats.frechet import Array, features


@dataclass(frozen=True)
class Subsets:
    """Mean over random subsets and their standard deviation."""

    mean: float
    std: float
    subsets: int
    size: int


def kid(x: ArrayLike, y: ArrayLike) -> float:
    """(N, D) and (M, D) features, N and M >= 2 -> squared MMD with k(a, b) = (a.b / D + 1)^3, over all of them."""
    a, b = _pair(x, y)
    return _mmd(a, b)


def kid_subsets(x: ArrayLike, y: ArrayLike, subsets: int = 100, size: int = 1000, seed: int = 0) -> Subsets:
    """As clean-fid and torch-fidelity report it: `subsets` draws of `size` rows of each side, without replacement.

    A set smaller than `size` makes the draws smaller. Raises InputError on shapes and counts.
    """
    a, b = _pair(x, y)
    if subsets < 1 or size < 2:
        raise InputError(f"KID needs at least one subset of two, got {subsets} of {size}")
    size = min(size, len(a), len(b))
    rng = numpy_generator(seed)
    values = [
        _mmd(a[rng.choice(len(a), size, replace=False)], b[rng.choice(len(b), size, replace=False)])
        for _ in range(subsets)
    ]
    return Subsets(float(np.mean(values)), float(np.std(values)), subsets, size)


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    a, b = features(x, "first"), features(y, "second")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"features of {a.shape[1]} and {b.shape[1]} dimensions cannot be compared")
    return a, b


def _mmd(a: Array, b: Array) -> float:
    n, m = len(a), len(b)
    own = (_kernel_sum(a, a) - _own_kernels(a)) / (n * (n - 1)) + (_kernel_sum(b, b) - _own_kernels(b)) / (m * (m - 1))
    return float(own - 2 * _kernel_sum(a, b) / (n * m))


def _kernel_sum(a: Array, b: Array) -> float:
    """Sum of the kernel over all pairs, some rows at a time, so that memory does not grow with their product."""
    step = 2048
    return float(sum(((a[i : i + step] @ b.T / a.shape[1] + 1) ** 3).sum() for i in range(0, len(a), step)))


def _own_kernels(a: Array) -> float:
    return float((((a * a).sum(axis=1) / a.shape[1] + 1) ** 3).sum())
