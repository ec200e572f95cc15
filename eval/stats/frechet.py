"""Fréchet distance between two sets of features, numerically stable for few samples.

``|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)``, covariances with ddof 1 by default. The last term is computed as
the nuclear norm of ``R1 R2^T`` for any roots ``S = R^T R``, which avoids the square root of a non-symmetric, often
singular product, where common implementations lose precision or fail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError

Array = NDArray[np.float64]
_BLOCK = 1024  # rows of one matrix product; bounds memory


class Moments:
    """Running mean and covariance of features that are added in parts and not stored.

    Sums are taken relative to the mean of the first part (the pilot): relative to zero they would lose precision where
    the mean is large compared with the standard deviation. Memory: three (D, D) arrays of float64 and a block of rows.
    """

    def __init__(self) -> None:
        self.count = 0
        self._pilot = np.empty(0)
        self._sum = np.empty(0)
        self._products = np.empty((0, 0))

    def add(self, rows: ArrayLike) -> None:
        """Add features (n, D), n may be 0. Raises InputError on another shape or D, and on non-finite values."""
        part = np.asarray(rows)
        if part.ndim != 2 or part.shape[1] < 1 or (self.count and part.shape[1] != len(self._pilot)):
            raise InputError(f"features must be (n, {len(self._pilot) or 'D'}), got {part.shape}")
        if not np.isfinite(part).all():
            raise InputError("features have non-finite values")
        if not len(part):
            return
        if not self.count:
            size = part.shape[1]
            self._pilot, self._sum = part.mean(axis=0, dtype=np.float64), np.zeros(size)
            self._products = np.zeros((size, size))
        for start in range(0, len(part), _BLOCK):
            block = part[start : start + _BLOCK] - self._pilot
            self._sum += block.sum(axis=0)
            self._products += block.T @ block
        self.count += len(part)

    def mean(self) -> Array:
        """Return the mean (D,). Raises InputError before the first features."""
        if not self.count:
            raise InputError("no features were added")
        return self._pilot + self._sum / self.count

    def covariance(self, ddof: int = 1) -> Array:
        """Return the covariance (D, D), divided by the count minus `ddof`.

        Raises InputError for fewer than two rows.
        """
        if self.count < 2:
            raise InputError(f"a covariance needs two features, got {self.count}")
        covariance = np.outer(self._sum, self._sum / -self.count)
        covariance += self._products
        covariance /= self.count - ddof
        return covariance


class Reference:
    """Gaussian reference of many Fréchet distances; the root of its covariance is computed once."""

    def __init__(self, mean: ArrayLike, covariance: ArrayLike) -> None:
        """Set the mean (D,) and covariance (D, D), which may be singular. Raises InputError on shapes."""
        self.mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
        if self.mean.ndim != 1 or covariance.shape != (len(self.mean), len(self.mean)):
            raise InputError(f"moments have unequal shapes: mean {self.mean.shape}, covariance {covariance.shape}")
        self._trace, self._root = float(np.trace(covariance)), _root(covariance)

    def distance(self, y: ArrayLike, ddof: int = 1) -> float:
        """Compute the Fréchet distance >= 0 to features (M >= 2, D).

        Raises InputError on shapes and non-finite values.
        """
        rows = features(y, "compared")
        if rows.shape[1] != len(self.mean):
            raise InputError(f"features of {len(self.mean)} and {rows.shape[1]} dimensions cannot be compared")
        mean = rows.mean(axis=0)
        rows = (rows - mean) / np.sqrt(len(rows) - ddof)
        difference, traces = self.mean - mean, self._trace + float((rows**2).sum())
        product = self._root @ rows.T
        if len(rows) < rows.shape[1]:
            return _distance(difference, traces, product)
        values = np.linalg.eigvalsh(product @ product.T)
        noise = values[-1] * len(values) * np.finfo(np.float64).eps
        cross = np.sqrt(values[values > noise]).sum()
        return max(0.0, float(difference @ difference + traces - 2 * cross))


def frechet(x: ArrayLike, y: ArrayLike, ddof: int = 1) -> float:
    """Compute the Fréchet distance >= 0 between features (N, D) and (M, D), N and M >= 2.

    ddof: 1 in FID and most FVD implementations, 0 in StyleGAN-V's and cd-fvd's; it matters for few samples. Raises
    InputError on any other shape or on non-finite values.
    """
    a, b = features(x, "first"), features(y, "second")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"features of {a.shape[1]} and {b.shape[1]} dimensions cannot be compared")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = (a - mean_a) / np.sqrt(len(a) - ddof), (b - mean_b) / np.sqrt(len(b) - ddof)
    if min(len(a), len(b)) >= a.shape[1]:
        return frechet_of_moments(mean_a, a.T @ a, mean_b, b.T @ b)
    return _distance(mean_a - mean_b, float((a**2).sum() + (b**2).sum()), _triangle(a) @ _triangle(b).T)


def frechet_of_moments(mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike) -> float:
    """Compute the Fréchet distance >= 0 from means (D,) and covariances (D, D), singular ones included.

    Raises InputError on shapes.
    """
    difference = np.asarray(mean_a, np.float64) - np.asarray(mean_b, np.float64)
    a, b = np.asarray(cov_a, np.float64), np.asarray(cov_b, np.float64)
    size = difference.shape[0] if difference.ndim == 1 else -1
    if a.shape != (size, size) or b.shape != (size, size):
        raise InputError(f"moments have unequal shapes: means {difference.shape}, covariances {a.shape} and {b.shape}")
    return _distance(difference, float(np.trace(a) + np.trace(b)), _root(a) @ _root(b))


def features(x: ArrayLike, name: str) -> Array:
    """Convert `x` to float64 (N >= 2, D) and validate it.

    Raises InputError, with `name` in its message, on other shapes and non-finite values.
    """
    array = np.asarray(x, np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise InputError(f"{name} features must be (N >= 2, D), got {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} features have non-finite values")
    return array


def _distance(difference: Array, traces: float, product: Array) -> float:
    nuclear = np.linalg.svd(product, compute_uv=False).sum()
    return max(0.0, float(difference @ difference + traces - 2 * nuclear))


def _triangle(centred: Array) -> Array:
    """Compute R with R^T R = X^T X and at most as many rows as columns."""
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    noise = values[-1] * len(values) * np.finfo(np.float64).eps  # the root of rounding errors would be 1e-8, not 0
    root: Array = (vectors * np.sqrt(np.where(values > noise, values, 0))) @ vectors.T
    return root
