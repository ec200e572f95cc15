"""Does a portrait move as its driver does? Commanded and measured pose and blink, frame by frame (paper A.4.1)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from dawn.media.json_files import read_json, write_json
from eval.stats.bootstrap import draws, interval
from eval.studies.learned import followed, seen_in

REQUIRED = 0.8  # median over clips
SIGNALS = {"yaw": 0, "pitch": 1, "roll": 2}  # degrees; and blink, the mean of both eyes' aspect ratios
COLUMNS = ("clip", "driver", "frame", "signal", "commanded", "measured")

Traces = dict[str, NDArray[np.float64]]  # signal -> (n,)


def measure_reenactment(config: Config, clips: Sequence[str], videos: Path, out: Path) -> None:
    """Write `out` (JSON: correlations) and, beside it, the traces as CSV.

    videos: folder of the method ``reenact`` with its sidecars. Raises InputError where these are missing.
    """
    commanded, measured, drivers = [], [], []
    for clip in tqdm(clips, desc="reenactment", unit="clip", mininterval=2):
        sidecar = videos / f"{clip}.json"
        if not sidecar.is_file():
            raise InputError(f"{sidecar}: missing; make the videos with 'dawn videos reenact'")
        drivers.append(str(read_json(sidecar)["driver"]))
        told = load_file(videos / f"{clip}.safetensors")
        commanded.append(_traces(told["pose"], told["blink"]))
        seen = seen_in(videos / f"{clip}.mp4", config)
        measured.append(
            {name: np.zeros(1) for name in told_names()} if seen is None else _traces(seen.pose, seen.blink)
        )
    others = strangers(drivers)
    report: dict[str, Any] = {"run": config.name, "clips": dict(zip(clips, drivers, strict=True))}
    for name in told_names():
        line = followed([c[name] for c in commanded], [m[name] for m in measured], REQUIRED, others)
        report[name] = line | {"interval": _interval(line["clips"], config)}
    report["passed"] = all(report[name]["passed"] for name in told_names())
    rows = [
        (clip, driver, t, name, c[name][t], m[name][t])
        for clip, driver, c, m in zip(clips, drivers, commanded, measured, strict=True)
        for name in told_names()
        for t in range(min(len(c[name]), len(m[name])))
    ]
    write_rows(out.with_suffix(".csv"), COLUMNS, ((*row[:4], f"{row[4]:.4f}", f"{row[5]:.4f}") for row in rows))
    write_json(out, report)


def strangers(drivers: Sequence[str]) -> list[int]:
    """For each clip the next that another driver drives: a clip with the same driver follows the same motion."""
    order = range(len(drivers))
    return [next((k for k in (*order[i + 1 :], *order[:i]) if drivers[k] != drivers[i]), i) for i in order]


def told_names() -> tuple[str, ...]:
    """The signals that are taken from a driver."""
    return (*SIGNALS, "blink")


def read_traces(path: Path) -> Mapping[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """(clip, signal) -> commanded and measured, both (n,), of a CSV that `measure_reenactment` wrote."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with open(path, encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault((row["clip"], row["signal"]), []).append((float(row["commanded"]), float(row["measured"])))
    return {key: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for key, pairs in found.items()}


def _interval(each: Sequence[float], config: Config) -> list[float]:
    """Percentile interval of the median, clips resampled."""
    settings = config.evaluate
    counts = draws(len(each), settings.bootstrap, settings.seed)
    medians = [np.median(np.repeat(each, row)) for row in counts]
    return list(interval(medians, settings.interval))


def _traces(pose: NDArray[Any], blink: NDArray[Any]) -> Traces:
    traces = {name: np.asarray(pose[:, axis], np.float64) for name, axis in SIGNALS.items()}
    return traces | {"blink": np.asarray(blink, np.float64).mean(1)}
