"""Fréchet distance between two sets of features, stable when they are few.

``|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)``, covariances with ddof 1. The last term is the nuclear norm of
``R1 R2^T`` for any roots ``S = R^T R``, so no square root of a non-symmetric, often singular product is taken: that is
where the usual implementations lose digits or fail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError

Array = NDArray[np.float64]


def frechet(x: ArrayLike, y: ArrayLike) -> float:
    """(N, D) and (M, D) features, N and M >= 2 -> distance >= 0. Raises InputError on any other shape or on NaN."""
    a, b = features(x, "first"), features(y, "second")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"features of {a.shape[1]} and {b.shape[1]} dimensions cannot be compared")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    if min(len(a), len(b)) >= a.shape[1]:
        return frechet_of_moments(mean_a, a.T @ a, mean_b, b.T @ b)
    return _distance(mean_a - mean_b, float((a**2).sum() + (b**2).sum()), _triangle(a) @ _triangle(b).T)


def frechet_of_moments(mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike) -> float:
    """Means (D,) and covariances (D, D), singular ones included -> distance >= 0. Raises InputError on shapes."""
    difference = np.asarray(mean_a, np.float64) - np.asarray(mean_b, np.float64)
    a, b = np.asarray(cov_a, np.float64), np.asarray(cov_b, np.float64)
    size = difference.shape[0] if difference.ndim == 1 else -1
    if a.shape != (size, size) or b.shape != (size, size):
        raise InputError(f"moments do not fit: means {difference.shape}, covariances {a.shape} and {b.shape}")
    return _distance(difference, float(np.trace(a) + np.trace(b)), _root(a) @ _root(b))


def features(x: ArrayLike, name: str) -> Array:
    """`x` as float64 (N >= 2, D), or InputError that calls it `name`."""
    array = np.asarray(x, np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise InputError(f"{name} features must be (N >= 2, D), got {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} features hold values that are not finite")
    return array


def _distance(difference: Array, traces: float, product: Array) -> float:
    nuclear = np.linalg.svd(product, compute_uv=False).sum()
    return max(0.0, float(difference @ difference + traces - 2 * nuclear))


def _triangle(centred: Array) -> Array:
    """R with R^T R = X^T X and no more rows than needed."""
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    noise = values[-1] * len(values) * np.finfo(np.float64).eps  # its root would be 1e-8, not 0
    root: Array = (vectors * np.sqrt(np.where(values > noise, values, 0))) @ vectors.T
    return root
