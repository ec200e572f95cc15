"""Verification of a report: recomputation, and a list of the differences."""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dawn.config import load
from dawn.media.json_files import read_json
from dawn.methods import videos_folder
from dawn.paths import Paths
from eval.extract.cache import FeatureCache
from eval.metrics.registry import computed
from eval.studies.clip_list import read_names
from eval.studies.evaluate import evaluate
from eval.studies.metric_report import Report
from eval.studies.run_scores import measure
from eval.studies.run_settings import TRUE

ROUNDING = 1e-6  # relative tolerance; another number of threads may change the last digits
_WORDS = frozenset({"title", "better", "about", "parts", "warning"})  # keys compared elsewhere, or derived


def verify(report: Report, cache: Path, only: Sequence[str] = ()) -> list[str]:
    """Recompute a report and list the differences, one line each, causes before values; empty if there are none.

    cache: folder of extracted features. only: metrics to recompute; default: all of the report. Videos are those at the
    paths in the report. Raises InputError when the folders no longer exist.
    """
    before, settings = report.data, report.data["made"]
    after = evaluate(
        before["real"],
        before["fake"],
        list(only) or settings["metrics"],
        syncnet=settings["syncnet"],
        detect_side=settings["detect_side"],
        cache=cache,
        resamples=settings["resamples"],
        seed=settings["seed"],
        coverage=settings["coverage"],
    ).data
    lines = list(_videos(before, after))
    now = after["made"]
    for key, what in (("versions", "version of"), ("weights", "weights"), ("decoder", "decoder")):
        shared = settings[key].keys() & now[key].keys() if only else settings[key].keys() | now[key].keys()
        for name in sorted(shared):
            lines += _differs(f"{what} {name}", settings[key].get(name), now[key].get(name))
    lines += _differs("code that measures", settings["code"], now["code"])
    for name in now["metrics"]:
        lines += _metric(name, before, after)
    return lines


def verify_table(table: Path, run: Path, cache: Path, only: Sequence[str] = ()) -> list[str]:
    """Recompute Table 1 of a run, each row from the run's videos with the run's settings, and list the differences.

    table: ``table1.json``. run: folder of the run, in the results folder of the project that is the working directory.
    cache: folder of extracted features. only: metrics to compare, by name or column. Raises InputError as
    :func:`eval.studies.run_scores.measure` does.
    """
    columns = {metric.column for metric in computed(only)}
    written = read_json(table)
    config = load(run / "config.yaml")
    paths = Paths.of(config, results=run.parent)
    names = read_names(paths.test)
    lines: list[str] = []
    for method, row in written.items():
        scores = read_json(paths.scores(method) / "scores.json")
        before_videos = _hashes(paths.scores(method))
        with tempfile.TemporaryDirectory(prefix="dawn-eval-") as folder:
            again = measure(
                config,
                real=paths.clips,
                fake=paths.clips if method == TRUE else videos_folder(paths, method),
                names=names,
                syncnet=run / "syncnet.safetensors",
                method=method,
                out=Path(folder),
                cache=FeatureCache(cache),
            )
            after_videos = _hashes(Path(folder))
        before, after = scores["provenance"], again["provenance"]
        for name in (name for name in after_videos if after_videos[name] != before_videos.get(name)):
            lines.append(f"{method}: video {name}: changed since the table")
        for key in (key for key in before if key not in ("commit", "versions", "weights", "devices")):
            lines += _differs(f"{method}: {key}", before[key], after[key])
        for key in ("versions", "weights"):
            for name in sorted(before[key].keys() | after[key].keys()):
                lines += _differs(f"{method}: {key} {name}", before[key].get(name), after[key].get(name))
        changed = False
        for metric in (metric for metric in row if not columns or metric in columns):
            new = again["metrics"].get(metric, {}).get("value")
            if not _close(row[metric], new):
                changed = True
                lines.append(f"{method}: {metric} {_shown(row[metric])} in the table, {_shown(new)} now")
        if changed:  # another device alone is no difference
            lines += _differs(f"{method}: devices", before.get("devices"), after["devices"])
    return lines


def _hashes(scores: Path) -> dict[str, str]:
    """Read the SHA-256 of every measured video, by clip."""
    with open(scores / "clips.csv", encoding="utf-8", newline="") as stream:
        return {row["clip"]: row["sha256"] for row in csv.DictReader(stream)}


def _videos(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    now = {row["clip"]: row for row in after["clips"]}
    for row in before["clips"]:
        for side in ("real", "fake"):
            path, current = row[side], now.get(row["clip"], {})
            if path is not None and current.get(side) != path:
                yield f"video {path}: gone"
            elif path is not None and current[f"{side}_sha256"] != row[f"{side}_sha256"]:
                yield f"video {path}: changed since the report"
    known = {row["clip"] for row in before["clips"]}
    yield from (f"video {clip}: new since the report" for clip in now if clip not in known)


def _metric(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if name in before["not_computed"] and name in after["not_computed"]:
        return
    for report, when in ((before, "in the report"), (after, "now")):
        if name in report["not_computed"]:
            yield f"{name}: not computed {when}: {report['not_computed'][name]}"
            return
        if name not in report["metrics"]:
            yield f"{name}: not requested {when}"
            return
    old, new = before["metrics"][name], after["metrics"][name]
    for key in (key for key in dict.fromkeys((*old, *new)) if key not in _WORDS):
        if not _close(old.get(key), new.get(key)):
            yield f"{name}: {key} {_shown(old.get(key))} in the report, {_shown(new.get(key))} now"
    for part, about in _parts(old, new):
        yield f"{name}: {part}: {about}"


def _parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in sorted(old["parts"].keys() | new["parts"].keys()):
        before, after = old["parts"].get(part, {}), new["parts"].get(part, {})
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                yield part, f"{key} {before.get(key)} in the report, {after.get(key)} now"


def _differs(what: str, before: object, after: object) -> list[str]:
    return [] if before == after else [f"{what}: {before} in the report, {after} now"]


def _close(a: object, b: object) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=ROUNDING, abs_tol=1e-9)
    return a == b


def _shown(value: object) -> str:
    return "none" if value is None else f"{value:.9g}" if isinstance(value, int | float) else str(value)
