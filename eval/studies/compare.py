"""Two methods on the same true videos: the difference of each metric on the same clips, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.extract.cache import Cache
from eval.extract.reading import available, read
from eval.metrics.registry import METRICS, UNREADABLE, Found, Metric, Video, Videos
from eval.stats import bootstrap
from eval.stats.bootstrap import Array
from eval.studies.evaluate import TRUE, Report, aligned
from eval.studies.verify import choices_of

_CAUSES = ("code", "versions", "decoder", "seed", "resamples", "coverage", "detect_side")
Row = Mapping[str, Any]


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


@dataclass(frozen=True)
class Compared:
    """The differences, and why a metric of one of the reports has none."""

    differences: list[Difference]
    not_compared: dict[str, str]


def compare(first: Report, second: Report, cache: Cache) -> Compared:
    """Every metric that both reports have, on the clips that count in both; the same resamples of them for both.

    Features of what is no mean over clips come from the cache, or are computed again. Raises InputError for reports of
    other true videos, or made otherwise.
    """
    for key in _CAUSES:
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
    found = Compared([], {})
    for name in dict.fromkeys((*first["metrics"], *second["metrics"])):
        lacking = [(which, one) for which, one in (("first", first), ("second", second)) if name not in one["metrics"]]
        for which, report in lacking:
            why = report["not_computed"].get(name, "not asked for")
            found.not_compared[name] = f"in the {which} report: {why}"
        if lacking:
            continue
        _same_parts(name, first, second)
        both = [[side[clip] for clip in names] for side in rows]
        if name in both[0][0]:
            found.differences.append(_means(METRICS[name], both, counts, made["coverage"]))
        else:
            found.differences.append(_sets(METRICS[name], (first, second), both, cache))
    return found


def _same_parts(name: str, first: Report, second: Report) -> None:
    """Networks, weights and sampling of a metric are the same in both reports. Raises InputError naming what is not."""
    parts = first["metrics"][name]["parts"], second["metrics"][name]["parts"]
    for part in parts[0]:
        for key in parts[0][part].keys() | parts[1][part].keys():
            if parts[0][part].get(key) != parts[1][part].get(key):
                raise InputError(f"{name}: the two reports differ in {key} of {part}; measure both again with the same")


def _means(one: Metric, rows: Sequence[Sequence[Row]], counts: NDArray[np.int64], coverage: float) -> Difference:
    """The difference of a mean over the clips that have a value in both."""
    values = [np.asarray([_value(row[one.name]) for row in side]) for side in rows]
    true = np.asarray([_value(row.get(f"{one.name}{TRUE}")) for row in rows[0]])
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    if one.better == "near":
        both &= np.isfinite(true)
    shown = [np.where(both, side, np.nan) for side in (*values, true)]
    means = [float(side[both].mean()) if both.any() else math.nan for side in shown]
    spreads = [bootstrap.resampled_means(side, counts) for side in shown]
    return _difference(one, means, spreads, int(both.sum()), coverage)


def _sets(one: Metric, reports: Sequence[Report], rows: Sequence[Sequence[Row]], cache: Cache) -> Difference:
    """The difference of what is measured on all clips together: on those that neither report has to leave out."""
    made = reports[0]["made"]
    sides = [
        {which: _videos(one, report, which, own, cache) for which in ("real", "fake")}
        for report, own in zip(reports, rows, strict=True)
    ]
    kept = list(range(len(rows[0])))
    for _ in range(2):
        counts = bootstrap.draws(len(kept), made["resamples"], made["seed"])
        found: list[Found] = []
        for side in sides:
            real, fake = ([side[which][k] for k in kept] for which in ("real", "fake"))
            found.append(one.run(Videos(real, fake, counts, made["coverage"], made["seed"])))
        left = [bool(a or b) for a, b in zip(found[0].why, found[1].why, strict=True)]
        if not any(left) or all(left):
            break
        kept = [k for k, out in zip(kept, left, strict=True) if not out]
    pooled = [each.pooled for each in found]
    if pooled[0] is None or pooled[1] is None:
        nothing = np.full(1, np.nan)
        return _difference(one, [math.nan] * 2, [nothing] * 2, 0, made["coverage"])
    numbers = [each.entry["value"] for each in pooled if each is not None]
    return _difference(one, numbers, [pooled[0].spread, pooled[1].spread], len(kept), made["coverage"])


def _videos(one: Metric, report: Report, which: str, rows: Sequence[Row], cache: Cache) -> list[Video]:
    found, missing = available(getattr(one, which), choices_of(report))
    if missing:
        raise InputError(f"{one.name}: {next(iter(missing.values()))}")
    paths = [Path(row[which]) for row in rows]
    reading = read(paths, found, cache, label=f"{one.name}, {which}")
    return [reading.videos[path].parts if path in reading.videos else UNREADABLE for path in paths]


def _difference(one: Metric, values: Sequence[float], spreads: Sequence[Array], n: int, coverage: float) -> Difference:
    """Of two numbers and their resamples, a third pair being the true videos' where nearness to them is what counts."""
    low, high = bootstrap.interval(spreads[0] - spreads[1], coverage)
    first, second = spreads[:2]
    if one.better in ("near", "zero"):
        target = spreads[2] if one.better == "near" else np.zeros(1)
        first, second = np.abs(first - target), np.abs(second - target)
    worst, best = bootstrap.interval(first - second if one.better == "up" else second - first, coverage)
    verdict = "first" if worst > 0 else "second" if best < 0 else "cannot tell"
    return Difference(one.name, values[0], values[1], values[0] - values[1], low, high, n, verdict)


def _value(cell: float | None) -> float:
    return math.nan if cell is None else float(cell)


def write(found: Compared, path: Path) -> None:
    """The differences as CSV, one metric a row."""
    head = [one.name for one in fields(Difference)]
    write_rows(path, head, (astuple(one) for one in found.differences))


def table(found: Compared, coverage: float) -> str:
    """The differences for a terminal."""
    rows = [("metric", "first", "second", "difference", f"{coverage:.0%} interval", "clips", "better")]
    for one in found.differences:
        rows.append(
            (
                one.metric, f"{one.first:.4g}", f"{one.second:.4g}", f"{one.difference:.4g}",
                f"[{one.low:.4g}, {one.high:.4g}]", str(one.n), one.better,
            )
        )  # fmt: skip
    return "\n".join([*aligned(rows), *(f"{name}: not compared, {why}" for name, why in found.not_compared.items())])
