"""Speed and error of the Fréchet distance against the matrix square root, and memory of the moments of many rows.

Times and errors of one run can be compared with each other, not with another machine's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from tqdm import tqdm

from dawn.devices import peak_memory
from dawn.errors import InputError
from eval.stats.frechet import Array, Moments, Reference, frechet

_PART = 4096  # rows added at once, as with batches of a network


@dataclass(frozen=True)
class Line:
    """One measurement; errors are relative to the exact distance, ratios to sqrtm at the same size."""

    what: str
    dimension: int
    rows: int
    seconds: float
    error: float | None = None
    times_faster: float | None = None
    peak_mb: float | None = None  # increase of its process's peak memory


def compare(dimension: int, rows: Sequence[int], moment_rows: int) -> list[Line]:
    """Measure memory of moments of `moment_rows` rows, then distances for each number of `rows`.

    Raises InputError for fewer than two rows or dimensions.
    """
    if dimension < 2 or min(rows) < 2 or moment_rows < 2:
        raise InputError("the benchmark needs two rows and two dimensions or more")
    lines = [moments(dimension, moment_rows)]
    for count in tqdm(rows, desc="distances"):
        lines += distances(dimension, count)
    return lines


def distances(dimension: int, rows: int) -> list[Line]:
    """Measure both algorithms on two sets of `rows` rows, of which one is the other scaled and shifted.

    For ``Y = X A + b`` with a positive diagonal A no map from X to Y is shorter, so the distance of the two Gaussians
    is known: ``|mean X - mean Y|^2`` plus the variance of ``X - Y``.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, dimension)) / np.sqrt(np.arange(1, dimension + 1))
    x = x @ np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    y = x * rng.uniform(0.5, 2, dimension) + 0.01
    apart = x - y
    exact = float((apart.mean(axis=0) ** 2).sum() + apart.var(axis=0, ddof=1).sum())
    known = Reference(x.mean(axis=0), np.cov(x, rowvar=False))
    slow, wrong = _timed(lambda: _by_sqrtm(x, y), 1)
    lines = [Line("scipy sqrtm", dimension, rows, slow, abs(wrong / exact - 1), 1.0)]
    for what, way in (("frechet", lambda: frechet(x, y)), ("frechet, root kept", lambda: known.distance(y))):
        seconds, value = _timed(way, 3)
        lines.append(Line(what, dimension, rows, seconds, abs(value / exact - 1), slow / seconds))
    return lines


def moments(dimension: int, rows: int) -> Line:
    """Measure mean and covariance of rows that are added in parts, in a separate process, whose peak memory is
    measured."""
    command = [sys.executable, "-m", "benchmarks.frechet", str(rows), str(dimension)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return Line("moments in parts", dimension, rows, seconds, peak_mb=peak)


def _by_sqrtm(x: Array, y: Array) -> float:
    """Compute the distance as pytorch-fid: with the square root of the product of the covariances."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    difference = x.mean(axis=0) - y.mean(axis=0)
    root = scipy.linalg.sqrtm(a @ b)
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(root.real))


def _timed(way: Callable[[], float], times: int) -> tuple[float, float]:
    """Return the seconds of the fastest of `times` calls, and the returned value."""
    best, value = np.inf, np.nan
    for _ in range(times):
        start = time.perf_counter()
        value = way()
        best = min(best, time.perf_counter() - start)
    return best, value


def _moments(rows: int, dimension: int) -> tuple[float, float]:
    """Return the seconds, and the increase of the process's peak memory in MiB."""
    rng = np.random.default_rng(0)
    before = _peak()
    part = rng.normal(size=(min(rows, _PART), dimension)).astype(np.float32)
    start, collected = time.perf_counter(), Moments()
    for first in range(0, rows, _PART):
        collected.add(part[: rows - first])
    collected.mean(), collected.covariance()
    return time.perf_counter() - start, _peak() - before


def _peak() -> float:
    """Return the peak memory of this process in MiB."""
    return peak_memory(torch.device("cpu")) / 2**20


if __name__ == "__main__":
    print(*_moments(*map(int, sys.argv[1:])))
