"""Kernel Inception distance (Bińkowski et al. 2018): unbiased squared MMD of features under a cubic kernel.

Unlike FID's, its expectation does not depend on the number of samples; it may be negative. Published suites average it
over random subsets, which only adds noise where the whole set fits into memory.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from dawn.errors import InputError
from eval.stats.frechet import Array, features

_BLOCK = 2048  # rows of one matrix product; bounds memory


def kid(x: ArrayLike, y: ArrayLike) -> float:
    """Compute the unbiased squared MMD between features (N, D) and (M, D), N and M >= 2.

    The kernel is k(a, b) = (a.b / D + 1)^3, over all pairs of rows; pairs of a row with itself are excluded. Raises
    InputError on shapes and non-finite values.
    """
    a, b = features(x, "first"), features(y, "second")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"features of {a.shape[1]} and {b.shape[1]} dimensions cannot be compared")
    n, m = len(a), len(b)
    within_a = (_kernel_sum(a, a) - _diagonal_sum(a)) / (n * (n - 1))
    within_b = (_kernel_sum(b, b) - _diagonal_sum(b)) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def _kernel_sum(a: Array, b: Array) -> float:
    """Sum the kernel over all pairs of rows."""
    products = (a[i : i + _BLOCK] @ b.T for i in range(0, len(a), _BLOCK))
    return float(sum(((product / a.shape[1] + 1) ** 3).sum() for product in products))


def _diagonal_sum(a: Array) -> float:
    """Sum the kernel over the pairs of a row with itself."""
    return float((((a * a).sum(axis=1) / a.shape[1] + 1) ** 3).sum())
