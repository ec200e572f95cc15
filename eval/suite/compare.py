"""Two methods on the same true videos: the difference of each metric, clip by clip, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from eval import bootstrap, pooling
from eval.cache import Cache
from eval.reading import available, read
from eval.suite.metrics import METRICS
from eval.suite.report import Report, aligned
from eval.suite.verify import choices_of


@dataclass(frozen=True)
class Difference:
    """First method less the second; `better` says which of the two, or that the interval holds 0."""

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    n: int
    better: str


def compare(first: Report, second: Report, cache: Cache) -> list[Difference]:
    """Every metric that both reports have, on the clips that both have; clips are resampled, the same for both.

    Features of distances come from the cache, or are computed again. Raises InputError for reports of other true
    videos, or made otherwise.
    """
    for key in ("code", "versions", "seed", "resamples", "coverage", "detect_side"):
        if first["made"][key] != second["made"][key]:
            raise InputError(f"the two reports differ in their {key}; measure both again with the same")
    rows = [{row["clip"]: row for row in report["clips"] if row["fake"] and row["real"]} for report in (first, second)]
    names = [name for name in rows[0] if name in rows[1]]
    if not names:
        raise InputError("the two reports have no pair of videos in common")
    other = next((name for name in names if rows[0][name]["real_sha256"] != rows[1][name]["real_sha256"]), None)
    if other is not None:
        raise InputError(f"video {other!r}: the two reports were measured against different true videos")
    made = first["made"]
    counts = bootstrap.draws(len(names), made["resamples"], made["seed"])
    found = []
    for metric in first["metrics"]:
        if metric not in second["metrics"]:
            continue
        if metric in rows[0][names[0]]:
            pair = [[_value(side[name].get(metric)) for name in names] for side in rows]
            found.append(
                _means(metric, pair, counts, made["coverage"], [r["metrics"][metric] for r in (first, second)])
            )
        elif METRICS[metric].frechet:
            found.append(_distances(metric, (first, second), rows, names, counts, cache))
    return found


def _means(
    metric: str, pair: Sequence[Sequence[float]], counts: NDArray[np.int64], coverage: float, entries: Sequence[Any]
) -> Difference:
    a, b = np.asarray(pair[0]), np.asarray(pair[1])
    better = METRICS[metric].better
    both = np.isfinite(a) & np.isfinite(b)
    difference = bootstrap.mean(np.where(both, a - b, np.nan), counts, coverage)
    first, second = (float(side[both].mean()) if both.any() else math.nan for side in (a, b))
    targets = [entry.get("real") for entry in entries]
    sign = {"down": -1.0, "up": 1.0, "zero": 0.0, "near": 0.0}[better]
    if better == "near" and targets[0] is not None and targets[1] is not None:
        # Nearer to the true videos' mean: distances to it are what is compared.
        shown = (np.where(both, side, np.nan) for side in (a, b))
        gaps = [np.abs(bootstrap.resampled_means(side, counts) - targets[0]) for side in shown]
        low, high = bootstrap.interval(gaps[0] - gaps[1], coverage)
        verdict = _verdict(-low, -high)
    else:
        verdict = _verdict(sign * difference.low, sign * difference.high) if sign else ""
    return Difference(metric, first, second, difference.value, difference.low, difference.high, difference.n, verdict)


def _distances(
    metric: str,
    reports: Sequence[Report],
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    counts: NDArray[np.int64],
    cache: Cache,
) -> Difference:
    one = METRICS[metric]
    spreads, values = [], []
    for report, side in zip(reports, rows, strict=True):
        features = {}
        for which, part in (("real", one.real[0]), ("fake", one.fake[0])):
            paths = [Path(side[name][which]) for name in names]
            found, missing = available([part], choices_of(report))
            if missing:
                raise InputError(f"{metric}: {missing[part]}")
            reading = read(paths, found, cache, label=f"{metric}, {which}")
            features[which] = [reading.videos[path].parts[part]["rows"] for path in paths]
        afforded = pooling.affordable(counts, features["real"], features["fake"])
        value, spread = bootstrap.resampled(features["real"], features["fake"], afforded, metric)
        values.append(value)
        spreads.append(spread)
    low, high = bootstrap.interval(spreads[0] - spreads[1], reports[0]["made"]["coverage"])
    return Difference(metric, values[0], values[1], values[0] - values[1], low, high, len(names), _verdict(-low, -high))


def _verdict(one: float, other: float) -> str:
    """Which method is better, from the ends of an interval where above 0 speaks for the first."""
    low, high = min(one, other), max(one, other)
    return "first" if low > 0 else "second" if high < 0 else "cannot tell"


def _value(cell: float | None) -> float:
    return math.nan if cell is None else float(cell)


def table(found: Sequence[Difference], coverage: float) -> str:
    """The differences for a terminal."""
    rows = [("metric", "first", "second", "difference", f"{coverage:.0%} interval", "clips", "better")]
    for one in found:
        rows.append(
            (
                one.metric, f"{one.first:.4g}", f"{one.second:.4g}", f"{one.difference:.4g}",
                f"[{one.low:.4g}, {one.high:.4g}]", str(one.n), one.better,
            )
        )  # fmt: skip
    return "\n".join(aligned(rows))
