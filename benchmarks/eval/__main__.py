"""``python -m benchmarks.eval``: the Fréchet distance against the matrix square root; memory of moments of many rows.

Writes ``<out>/frechet.csv``; with ``--suite REAL FAKE...`` ``suite.csv``, the suite against its metrics one by one.
Times and errors of one run can be compared with each other, not with another machine's.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy.linalg
import typer
from tqdm import tqdm

from benchmarks.eval.suite import Turn, suite
from dawn.commands import ListOptionsCommand, run_app
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.stats.frechet import Array, Moments, Reference, frechet

# What needs no download: the columns of a run's Table 1, the lip-sync ones with --syncnet.
_METRICS = "fd_efficientnet,fvd16,fvd32,csim_dlib,bas,blink,dr25_efficientnet,dr50_efficientnet"
_PART = 4096  # rows that come at once, as from a network


@dataclass(frozen=True)
class Line:
    """One measurement; errors are relative to the exact distance, ratios to sqrtm at the same size."""

    what: str
    dimension: int
    rows: int
    seconds: float
    error: float | None = None
    times_faster: float | None = None
    peak_mb: float | None = None  # of its process, beyond what the libraries take


app = typer.Typer(add_completion=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 on success, 2 for input that cannot be used."""
    return run_app("python -m benchmarks.eval", app, arguments)


@app.command(cls=ListOptionsCommand, help=__doc__, epilog="Example: python -m benchmarks.eval --rows 200 4000")
def bench(
    *,
    dimension: Annotated[int, typer.Option(help="of the features")] = 2048,
    rows: Annotated[list[int], typer.Option(metavar="N...", help="of each of the two sets")] = [200, 4000],  # noqa: B006
    moments_rows: Annotated[int, typer.Option("--moments", help="rows of the moments")] = 100_000,
    suite_folders: Annotated[
        list[Path] | None,
        typer.Option("--suite", metavar="FOLDER...", help="videos to evaluate: true ones, then those of each method"),
    ] = None,
    metrics: Annotated[str, typer.Option(help="of the suite")] = _METRICS,
    syncnet: Annotated[Path | None, typer.Option(help="SyncNet for the metrics that need one")] = None,
    out: Annotated[Path, typer.Option(help="folder of the results")] = Path("results/bench"),
    moments_only: Annotated[bool, typer.Option("--moments-only", hidden=True)] = False,
) -> None:
    if dimension < 2 or min(rows) < 2 or moments_rows < 2:
        raise InputError("the benchmark needs two rows and two dimensions or more")
    if moments_only:
        print(" ".join(map(str, _moments(moments_rows, dimension))))
        return
    if suite_folders:
        real, *fakes = suite_folders
        if not fakes:
            raise InputError(f"--suite {real}: give the generated videos' folder after it")
        _write(out / "suite.csv", suite(real, fakes, metrics.split(","), syncnet))
        return
    lines = [moments(dimension, moments_rows)]
    for count in tqdm(rows, desc="distances"):
        lines += distances(dimension, count)
    _write(out / "frechet.csv", lines)


def _write(out: Path, lines: Sequence[Line] | Sequence[Turn]) -> None:
    """One row a measurement, and the same for the terminal."""
    write_rows(out, [field.name for field in fields(lines[0])], (astuple(line) for line in lines))
    for line in lines:
        numbers = (f"{key} {value:.3g}" for key, value in asdict(line).items() if isinstance(value, float | int))
        print(", ".join([line.what, *numbers]))


def distances(dimension: int, rows: int) -> list[Line]:
    """Both ways to the distance of two sets of as many rows, one of which is the other, moved and stretched.

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
    """Mean and covariance of rows that come in parts, in a process of its own, whose memory is measured."""
    size = ["--dimension", str(dimension), "--moments", str(rows)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.eval", "--moments-only", *size], capture_output=True, text=True, check=True
    )
    seconds, peak = map(float, done.stdout.split())
    return Line("moments in parts", dimension, rows, seconds, peak_mb=peak)


def _by_sqrtm(x: Array, y: Array) -> float:
    """The way of pytorch-fid: the root of the product of the covariances."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    difference = x.mean(axis=0) - y.mean(axis=0)
    root = scipy.linalg.sqrtm(a @ b)
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(root.real))


def _timed(way: Callable[[], float], times: int) -> tuple[float, float]:
    """Seconds of the fastest of some calls, and what it gave."""
    best, value = np.inf, np.nan
    for _ in range(times):
        start = time.perf_counter()
        value = way()
        best = min(best, time.perf_counter() - start)
    return best, value


def _moments(rows: int, dimension: int) -> tuple[float, float]:
    """Seconds, and the process's peak in MB beyond what it had before."""
    rng = np.random.default_rng(0)
    before = _peak()
    part = rng.normal(size=(min(rows, _PART), dimension)).astype(np.float32)
    start, collected = time.perf_counter(), Moments()
    for first in range(0, rows, _PART):
        collected.add(part[: rows - first])
    collected.mean(), collected.covariance()
    return time.perf_counter() - start, _peak() - before


def _peak() -> float:
    """Largest resident memory so far, in MB. Linux keeps a process' own; elsewhere it begins with its parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
