"""Paired comparison of two methods: the difference of each metric on the same clips, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.extract.cache import FeatureCache
from eval.extract.features import FeatureExtractors
from eval.extract.sampling import Side
from eval.extract.spec import ExtractorOptions
from eval.metrics.clip_set import SIDES, UNREADABLE, ClipSet, MetricResult, Video
from eval.metrics.registry import Metric, get_metric
from eval.stats import bootstrap
from eval.stats.bootstrap import Array
from eval.studies.metric_report import TRUE, Report

_CAUSES = ("code", "versions", "decoder", "seed", "resamples", "coverage", "detect_side")
_PLACES = ("first", "second")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """Value of the first method minus that of the second, with its interval.

    n: number of clips. better: ``first``, ``second``, or ``cannot tell`` where the interval of the improvement contains
    0.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    n: int
    better: str


@dataclass(frozen=True)
class Comparison:
    """Differences by metric, and the reasons for metrics that only one report has."""

    differences: list[Difference]
    not_compared: dict[str, str]


def compare(first: Report, second: Report, cache: Path) -> Comparison:
    """Compute the difference of every metric that both reports have, on the clips that count in both, with equal
    resamples.

    cache: folder of extracted features; those of distances between sets are loaded from it, or extracted again. Raises
    InputError for reports with different real videos or different settings.
    """
    reports = first.data, second.data
    for key in _CAUSES:
        if reports[0]["made"][key] != reports[1]["made"][key]:
            raise InputError(f"the two reports differ in their {key}; measure both again with the same")
    rows = [{row["clip"]: row for row in report["clips"] if row["fake"] and row["real"]} for report in reports]
    names = [name for name in rows[0] if name in rows[1]]
    if not names:
        raise InputError("the two reports have no pair of videos in common")
    changed = next((name for name in names if rows[0][name]["real_sha256"] != rows[1][name]["real_sha256"]), None)
    if changed is not None:
        raise InputError(f"video {changed!r}: the two reports were measured against different true videos")
    settings = reports[0]["made"]
    counts = bootstrap.draws(len(names), settings["resamples"], settings["seed"])
    comparison = Comparison([], {})
    for name in dict.fromkeys((*reports[0]["metrics"], *reports[1]["metrics"])):
        lacking = [
            (place, report) for place, report in zip(_PLACES, reports, strict=True) if name not in report["metrics"]
        ]
        for place, report in lacking:
            reason = report["not_computed"].get(name, "not requested")
            comparison.not_compared[name] = f"in the {place} report: {reason}"
        if lacking:
            continue
        _check_parts(name, *reports)
        clips = [[side[clip] for clip in names] for side in rows]
        if name in clips[0][0]:
            comparison.differences.append(_means(get_metric(name), clips, counts, settings["coverage"]))
        else:
            comparison.differences.append(_sets(get_metric(name), reports, clips, cache))
    return comparison


def _check_parts(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Raise InputError where networks, weights or sampling of a metric differ between the reports."""
    parts = first["metrics"][name]["parts"], second["metrics"][name]["parts"]
    for part in parts[0]:
        for key in parts[0][part].keys() | parts[1][part].keys():
            if parts[0][part].get(key) != parts[1][part].get(key):
                raise InputError(f"{name}: the two reports differ in {key} of {part}; measure both again with the same")


def _means(metric: Metric, rows: Sequence[Sequence[Row]], counts: NDArray[np.int64], coverage: float) -> Difference:
    """Compute the difference of a mean over the clips that have a value in both reports."""
    values = [np.asarray([_value(row[metric.name]) for row in side]) for side in rows]
    real = np.asarray([_value(row.get(f"{metric.name}{TRUE}")) for row in rows[0]])
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    if metric.better == "near":
        both &= np.isfinite(real)
    masked = [np.where(both, side, np.nan) for side in (*values, real)]
    means = [float(side[both].mean()) if both.any() else math.nan for side in masked]
    resampled = [bootstrap.resampled_means(side, counts) for side in masked]
    return _difference(metric, means, resampled, int(both.sum()), coverage)


def _sets(
    metric: Metric, reports: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[Row]], cache: Path
) -> Difference:
    """Compute the difference of a distance between sets, on the clips that neither report excludes."""
    assert metric.compute is not None  # a report contains its value
    settings = reports[0]["made"]
    videos = [
        {side: _videos(metric, report, side, clips, cache) for side in SIDES}
        for report, clips in zip(reports, rows, strict=True)
    ]
    kept = list(range(len(rows[0])))
    for _ in range(2):
        counts = bootstrap.draws(len(kept), settings["resamples"], settings["seed"])
        results: list[MetricResult] = []
        for report_videos in videos:
            real, fake = ([report_videos[side][k] for k in kept] for side in SIDES)
            results.append(metric.compute(ClipSet(real, fake, counts, settings["coverage"], settings["seed"])))
        left_out = [bool(a or b) for a, b in zip(results[0].reasons, results[1].reasons, strict=True)]
        if not any(left_out) or all(left_out):
            break
        kept = [k for k, out in zip(kept, left_out, strict=True) if not out]
    first, second = (result.aggregate for result in results)
    if first is None or second is None:
        undefined = np.full(1, np.nan)
        return _difference(metric, [math.nan] * 2, [undefined] * 2, 0, settings["coverage"])
    values = [first.entry["value"], second.entry["value"]]
    # One of the two may have fewer resamples (aggregate.affordable); these are the first ones, of the same clips.
    common = min(len(first.resampled), len(second.resampled))
    return _difference(
        metric, values, [first.resampled[:common], second.resampled[:common]], len(kept), settings["coverage"]
    )


def _videos(metric: Metric, report: Mapping[str, Any], side: Side, rows: Sequence[Row], cache: Path) -> list[Video]:
    settings = report["made"]
    syncnet = None if settings["syncnet"] is None else Path(settings["syncnet"])
    options = ExtractorOptions(settings["detect_side"], syncnet)
    extractors = FeatureExtractors(getattr(metric, side), options, FeatureCache(cache))
    if extractors.missing:
        raise InputError(f"{metric.name}: {next(iter(extractors.missing.values()))}")
    paths = [Path(row[side]) for row in rows]
    extraction = extractors.extract(paths, f"{metric.name}, {side}")
    return [extraction.videos[path].features if path in extraction.videos else UNREADABLE for path in paths]


def _difference(
    metric: Metric, values: Sequence[float], resampled: Sequence[Array], n: int, coverage: float
) -> Difference:
    """Compute the difference of two values and its interval from their resampled values.

    resampled: (resamples,) of the first and second method; of the real videos in addition, for metrics whose best value
    is theirs.
    """
    low, high = bootstrap.interval(resampled[0] - resampled[1], coverage)
    first, second = resampled[:2]
    if metric.better in ("near", "zero"):
        target = resampled[2] if metric.better == "near" else np.zeros(1)
        first, second = np.abs(first - target), np.abs(second - target)
    worst, best = bootstrap.interval(first - second if metric.better == "up" else second - first, coverage)
    better = "first" if worst > 0 else "second" if best < 0 else "cannot tell"
    return Difference(metric.name, values[0], values[1], values[0] - values[1], low, high, n, better)


def _value(cell: float | None) -> float:
    return math.nan if cell is None else float(cell)


def write(comparison: Comparison, path: Path) -> None:
    """Write the differences as CSV, one row per metric."""
    write_rows(path, [field.name for field in fields(Difference)], map(astuple, comparison.differences))


def table(comparison: Comparison, coverage: float) -> str:
    """Format the differences as text, one line per metric."""
    rows = [("metric", "first", "second", "difference", f"{coverage:.0%} interval", "clips", "better")]
    for one in comparison.differences:
        rows.append(
            (
                one.metric, f"{one.first:.4g}", f"{one.second:.4g}", f"{one.difference:.4g}",
                f"[{one.low:.4g}, {one.high:.4g}]", str(one.n), one.better,
            )
        )  # fmt: skip
    not_compared = (f"{name}: not compared, {reason}" for name, reason in comparison.not_compared.items())
    return "\n".join([tabulate(rows, tablefmt="plain", disable_numparse=True), *not_compared])
