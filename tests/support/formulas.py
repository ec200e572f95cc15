"""Formulas of the metric pages, implemented from the pages and not from the code of eval."""

from __future__ import annotations

import numpy as np
import scipy.linalg


def frechet_of(x: np.ndarray, y: np.ndarray, ddof: int = 1) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), the last by the eigenvalues of the product."""
    s1, s2 = (np.atleast_2d(np.cov(rows, rowvar=False, ddof=ddof)) for rows in (x, y))
    root = np.sqrt(np.maximum(scipy.linalg.eigvals(s1 @ s2).real, 0)).sum()
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(s1) + np.trace(s2) - 2 * root)


def singular_frechet_of(x: np.ndarray, y: np.ndarray, ddof: int = 1) -> float:
    """The same by the singular values of A B^T, for fewer rows than dimensions."""
    a, b = ((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - ddof) for rows in (x.astype(float), y.astype(float)))
    shift = x.astype(float).mean(axis=0) - y.astype(float).mean(axis=0)
    nuclear = scipy.linalg.svdvals(a @ b.T).sum()
    return float(shift @ shift + (a**2).sum() + (b**2).sum() - 2 * nuclear)


def sampled(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(H, W) plane at fractional places, linear in between, the edge repeated."""
    low_r, low_c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    part_r, part_c = (rows - low_r)[:, None], columns - low_c

    def at(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        return plane[np.clip(r, 0, plane.shape[0] - 1)[:, None], np.clip(c, 0, plane.shape[1] - 1)]

    upper = at(low_r, low_c) * (1 - part_c) + at(low_r, low_c + 1) * part_c
    lower = at(low_r + 1, low_c) * (1 - part_c) + at(low_r + 1, low_c + 1) * part_c
    return upper * (1 - part_r) + lower * part_r


def half_pixel_bilinear(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear without antialiasing, pixel centres at half integers."""
    rows = np.maximum((np.arange(height) + 0.5) * plane.shape[0] / height - 0.5, 0)
    columns = np.maximum((np.arange(width) + 0.5) * plane.shape[1] / width - 0.5, 0)
    return sampled(plane.astype(float), rows, columns)


def draws(count: int, resamples: int, seed: int) -> np.ndarray:
    """(resamples, count): how often each item occurs in each resample."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
