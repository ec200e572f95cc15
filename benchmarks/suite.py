"""Time of all metrics together, with shared features, against the metrics one by one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dawn.errors import InputError
from eval.studies.evaluate import evaluate


@dataclass(frozen=True)
class Turn:
    """Seconds of one variant, and how many times faster it is than all metrics alone, each without cached features."""

    what: str
    seconds: float
    times_faster: float | None = None


def suite(real: Path, fakes: Sequence[Path], names: Sequence[str], syncnet: Path | None = None) -> list[Turn]:
    """Time all metrics of a table's methods in three ways.

    Each metric of each method alone, without cached features; all with one cache, empty at first; all again with that
    cache. Networks are loaded anew each time. Raises InputError for folders that cannot be measured, and for a metric
    that cannot be computed here.
    """
    alone = []
    with tempfile.TemporaryDirectory(prefix="dawn-bench-") as folder:
        for name in names:
            empty = [Path(folder) / f"{name}-{index}" for index in range(len(fakes))]
            took = [_seconds(real, fake, [name], syncnet, cache) for fake, cache in zip(fakes, empty, strict=True)]
            alone.append(Turn(f"{name} alone", sum(took)))
        total = sum(turn.seconds for turn in alone)
        shared = Path(folder) / "all"
        first, again = (sum(_seconds(real, fake, names, syncnet, shared) for fake in fakes) for _ in range(2))
    return [
        *alone,
        Turn("all alone, one after the other", total, 1.0),
        Turn("all together", first, total / first),
        Turn("all together again, nothing changed", again, total / again),
    ]


def _seconds(real: Path, fake: Path, names: Sequence[str], syncnet: Path | None, cache: Path) -> float:
    start = time.perf_counter()
    report = evaluate(real, fake, names, syncnet=syncnet, cache=cache)
    if report.data["not_computed"]:
        name, why = next(iter(report.data["not_computed"].items()))
        raise InputError(f"{name}: cannot be timed: {why}")
    return time.perf_counter() - start
