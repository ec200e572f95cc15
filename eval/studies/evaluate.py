"""Two folders of videos to a report: numbers, what each was made from, and what was left out and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dawn.errors import InputError
from dawn.fingerprint import code_fingerprint
from dawn.media.csv_files import write_rows
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.provenance import commit
from eval.extract import features as parts
from eval.extract.cache import Cache
from eval.extract.features import Choices, Part, Run
from eval.extract.folders import Pair, pairs_of
from eval.extract.reading import Reading, available, read
from eval.metrics.registry import ABSENT, UNREADABLE, Found, Metric, Video, Videos, metric
from eval.stats import bootstrap

VERSION = 2
TRUE = "_true"  # a column of clips.csv: the same of the true video
Report = dict[str, Any]
# What some numbers cannot be read without, in words: of LSE and CSIM, of the degradation rate.
_DETAILS = {
    "coverage": "share of frames with a face that was followed",
    "frames_without_face": "paired frames without a face in one of the two",
    "start": "distance at the start",
    "end": "at the end",
    "reference": "from true frames:",
    "short": "videos too short:",
    "overlapping": "videos whose start and end overlap:",
}


def evaluate(
    real: Path,
    fake: Path,
    names: Sequence[str],
    choices: Choices,
    cache: Cache,
    *,
    resamples: int = 1000,
    seed: int = 0,
    coverage: float = 0.95,
    shard: tuple[int, int] | None = None,
    threads: int | None = None,
) -> Report:
    """The report of the metrics called `names` on videos of the same name in both folders.

    Distances take all videos of each side, everything else pairs. Metrics whose networks are not on this machine are
    told with the reason. A `shard` (index, count) only puts its share of the videos into the cache, for a whole report
    to find; its report holds no numbers. Raises InputError for folders or names that cannot be used.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    wanted = [metric(name) for name in dict.fromkeys(names)]
    pairs = pairs_of(real, fake)
    mine = pairs if shard is None else pairs[shard[0] :: shard[1]]
    sides = [
        _read([path for pair in mine if (path := getattr(pair, side)) is not None], side, wanted, choices, cache)
        for side in ("real", "fake")
    ]
    missing = sides[0].missing | sides[1].missing
    report: Report = {
        "version": VERSION,
        "real": str(real.resolve()),
        "fake": str(fake.resolve()),
        "pairs": sum(pair.real is not None and pair.fake is not None for pair in pairs),
        "only_real": [pair.name for pair in pairs if pair.fake is None],
        "only_fake": [pair.name for pair in pairs if pair.real is None],
        "unreadable": {str(path): why for side in sides for path, why in side.unreadable.items()},
        "metrics": {},
        "not_computed": {},
        "clips": [],
        "made": _made(sides, choices, wanted, resamples, seed, coverage),
    }
    if shard is not None:
        return report
    videos = Videos(
        [_parts(pair.real, sides[0]) for pair in pairs],
        [_parts(pair.fake, sides[1]) for pair in pairs],
        bootstrap.draws(len(pairs), resamples, seed),
        coverage,
        seed,
    )
    rows: list[dict[str, Any]] = [_clip(pair, sides) for pair in pairs]
    for one in wanted:
        reasons = [missing[part] for part in dict.fromkeys((*one.real, *one.fake)) if part in missing]
        if reasons:
            report["not_computed"][one.name] = reasons[0]
            continue
        found = one.run(videos)
        for key, values in ((one.name, found.clips), (f"{one.name}{TRUE}", found.true)):
            for row, value in zip(rows, values, strict=False):  # no values at all where it is no mean over clips
                row[key] = value if math.isfinite(value) else None
        if found.pooled is None:
            report["not_computed"][one.name] = _because(found)
        else:
            report["metrics"][one.name] = found.pooled.entry | _about(one, found, sides)
    report["clips"] = rows
    return report


def write(report: Report, folder: Path) -> None:
    """``report.json``, ``report.csv`` (one row a metric) and ``clips.csv`` (one row a video) in `folder`."""
    write_json(folder / "report.json", report)
    columns = ("metric", "value", "low", "high", "n", "samples", "real", "null", "bias", *_DETAILS, "warning", "about")
    metrics = [{"metric": name, **entry} for name, entry in report["metrics"].items()]
    metrics += [{"metric": name, "warning": f"not computed: {why}"} for name, why in report["not_computed"].items()]
    write_rows(folder / "report.csv", columns, ([row.get(key) for key in columns] for row in metrics))
    keys = list(dict.fromkeys(key for row in report["clips"] for key in row if key not in ("real", "fake")))
    write_rows(folder / "clips.csv", keys, ([row.get(key) for key in keys] for row in report["clips"]))


def table(report: Report) -> str:
    """The report for a terminal: one line a metric, then what to beware of and what was not computed."""
    rows = [("metric", "value", "interval", "true", "null", "N", "protocol")]
    for name, entry in report["metrics"].items():
        interval = "" if entry["low"] is None else f"[{_short(entry['low'])}, {_short(entry['high'])}]"
        count = f"{entry['n']} clips" + (f", {entry['samples']} samples" if "samples" in entry else "")
        rows.append(
            (
                name, _short(entry["value"]), interval, _short(entry.get("real")), _short(entry.get("null")), count,
                entry["about"],
            )
        )  # fmt: skip
    lines = [*aligned(rows), ""]
    made = report["made"]
    lines.append(
        f"{report['pairs']} pairs; brackets: {made['coverage']:.0%} interval, {made['resamples']} resamples of videos."
    )
    for side, names in (("true", report["only_real"]), ("generated", report["only_fake"])):
        if names:
            lines.append(f"{len(names)} {side} videos without a partner, in distances only: {_few(names)}.")
    lines += [f"Unreadable: {path}: {why}" for path, why in report["unreadable"].items()]
    for name, entry in report["metrics"].items():
        if entry.get("warning"):
            lines.append(f"{name}: {entry['warning']}")
        details = [f"{words} {_short(entry[key])}" for key, words in _DETAILS.items() if key in entry]
        if details:
            lines.append(f"{name}: {', '.join(details)}")
        for why, count in entry["left_out"].items():
            lines.append(f"{name}: {count} of {len(report['clips'])} videos left out: {why}")
    lines += [f"{name}: not computed: {why}" for name, why in report["not_computed"].items()]
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines whose columns begin below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _read(paths: Sequence[Path], side: str, wanted: Sequence[Metric], choices: Choices, cache: Cache) -> Reading:
    named = dict.fromkeys(part for one in wanted for part in getattr(one, side))
    found, missing = available(named, choices)
    runs: dict[str, Run] = {}
    reading = read(paths, found, cache, runs=runs, label=f"{'true' if side == 'real' else 'generated'} videos")
    reading.missing.update(missing)
    return reading


def _parts(path: Path | None, reading: Reading) -> Video:
    if path is None:
        return ABSENT
    return reading.videos[path].parts if path in reading.videos else UNREADABLE


def _clip(pair: Pair, sides: Sequence[Reading]) -> dict[str, Any]:
    row: dict[str, Any] = {"clip": pair.name}
    for side, path, reading in (("real", pair.real, sides[0]), ("fake", pair.fake, sides[1])):
        seen = reading.videos.get(path) if path is not None else None
        row[side] = None if path is None else str(path.resolve())
        row[f"{side}_sha256"] = None if path is None else seen.sha256 if seen else sha256_file(path)
        row[f"{side}_frames"] = seen.parts["footage"]["frames"].item() if seen else None
        row[f"{side}_fps"] = round(seen.parts["footage"]["fps"].item(), 3) if seen else None
        row[f"{side}_sound"] = bool(seen.parts["footage"]["samples"].item()) if seen else None
        if seen and "mesh" in seen.parts:
            row[f"{side}_face"] = round(float(seen.parts["mesh"]["found"].mean()), 4)
            row[f"{side}_faces"] = int(seen.parts["mesh"]["faces"].max())
    return row


def _about(one: Metric, found: Found, sides: Sequence[Reading]) -> dict[str, Any]:
    """What belongs to a number besides it: words, parts with everything that moves them, and what was left out."""
    used: dict[str, Part] = {name: side.parts[name] for side in sides for name in side.parts}
    named = dict.fromkeys((*one.real, *one.fake))
    return {
        "title": one.title,
        "better": one.better,
        "about": one.about,
        "parts": {name: dict(used[name].about) for name in named},
        "left_out": dict(Counter(why for why in found.why if why)),
    }


def _because(found: Found) -> str:
    why = Counter(reason for reason in found.why if reason and not reason.endswith((ABSENT, UNREADABLE)))
    return f"{why.most_common(1)[0][0]}, in {why.most_common(1)[0][1]} videos" if why else "too few frames or videos"


def _made(
    sides: Sequence[Reading], choices: Choices, wanted: Sequence[Metric], resamples: int, seed: int, coverage: float
) -> dict[str, Any]:
    weights = {
        name: sha
        for side in sides
        for part in side.parts.values()
        for name, sha in part.about.get("weights", {}).items()
    }
    return {
        "metrics": [one.name for one in wanted],
        "weights": weights,
        "versions": parts.versions(),
        "decoder": parts.decoder(),
        "detect_side": choices.detect_side,
        "syncnet": None if choices.syncnet is None else str(choices.syncnet.resolve()),
        "resamples": resamples,
        "coverage": coverage,
        "seed": seed,
        "code": code_fingerprint(__name__),
        "commit": commit(),
    }


def load(path: Path) -> Report:
    """A written report. Raises InputError for another file."""
    path = path / "report.json" if path.is_dir() else path
    report = read_json(path)
    if not isinstance(report, dict) or report.get("version") != VERSION or "made" not in report:
        raise InputError(f"{path}: no report of this version of dawn-eval; give its report.json")
    return report


def _short(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
