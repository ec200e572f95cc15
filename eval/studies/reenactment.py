"""Reenactment (paper A.4.1): correlation of commanded and detected pose and blink, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
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
from eval.studies.learned import correlation_check, detected_motion

REQUIRED = 0.8  # median over clips
SIGNALS = {"yaw": 0, "pitch": 1, "roll": 2}  # columns of the pose, degrees
COLUMNS = ("clip", "driver", "frame", "signal", "commanded", "measured")

Traces = dict[str, NDArray[np.float64]]  # signal -> (n,)


def measure_reenactment(config: Config, clips: Sequence[str], videos: Path, out: Path) -> None:
    """Write the correlations of commanded and detected motion to `out` (JSON), and both signals as CSV of the same
    name.

    videos: folder of the method ``reenact`` with its sidecars. A video without a face has correlation 0. Raises
    InputError for a missing or unreadable video or sidecar, and for absent weights.
    """
    commanded, measured, drivers = [], [], []
    for clip in tqdm(clips, desc="reenactment", unit="clip", mininterval=2):
        sidecar = videos / f"{clip}.json"
        if not sidecar.is_file():
            raise InputError(f"{sidecar}: missing; generate the videos with 'dawn videos reenact'")
        drivers.append(str(read_json(sidecar)["driver"]))
        conditions = load_file(videos / f"{clip}.safetensors")
        commanded.append(_traces(conditions["pose"], conditions["blink"]))
        track = detected_motion(videos / f"{clip}.mp4", config)
        absent = {name: np.zeros(1) for name in signal_names()}
        measured.append(absent if track is None else _traces(track.pose, track.blink))
    permutation = cross_identity_pairs(drivers)
    report: dict[str, Any] = {"run": config.name, "clips": dict(zip(clips, drivers, strict=True))}
    for name in signal_names():
        check = correlation_check([c[name] for c in commanded], [m[name] for m in measured], REQUIRED, permutation)
        report[name] = check | {"interval": _interval(check["clips"], config)}
    report["passed"] = all(report[name]["passed"] for name in signal_names())
    rows = [
        (clip, driver, t, name, c[name][t], m[name][t])
        for clip, driver, c, m in zip(clips, drivers, commanded, measured, strict=True)
        for name in signal_names()
        for t in range(min(len(c[name]), len(m[name])))
    ]
    write_rows(out.with_suffix(".csv"), COLUMNS, ((*row[:4], f"{row[4]:.4f}", f"{row[5]:.4f}") for row in rows))
    write_json(out, report)


def cross_identity_pairs(drivers: Sequence[str]) -> list[int]:
    """Return for each clip the index of the next clip with another driver, or its index if there is none.

    Clips of one driver have the same motion and are therefore no baseline for each other.
    """
    order = range(len(drivers))
    return [next((k for k in (*order[i + 1 :], *order[:i]) if drivers[k] != drivers[i]), i) for i in order]


def signal_names() -> tuple[str, ...]:
    """Return the signals that a portrait takes from its driver: angles in degrees, and blink, the mean of both eyes'
    EAR."""
    return (*SIGNALS, "blink")


def _interval(correlations: Sequence[float], config: Config) -> list[float]:
    """Compute the percentile interval of the median over resampled clips."""
    settings = config.evaluate
    counts = draws(len(correlations), settings.bootstrap, settings.seed)
    medians = [np.median(np.repeat(correlations, row)) for row in counts]
    return list(interval(medians, settings.interval))


def _traces(pose: NDArray[Any], blink: NDArray[Any]) -> Traces:
    traces = {name: np.asarray(pose[:, axis], np.float64) for name, axis in SIGNALS.items()}
    return traces | {"blink": np.asarray(blink, np.float64).mean(1)}
