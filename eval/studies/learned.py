"""Did the networks learn? Each line: a measurement on people never trained on, its baseline, the level to reach.

Correlations are Pearson's, within each clip, between what was commanded (or what the true clip shows) and what the
detector measures in the generated video; the median over clips is judged. Their baseline is the same median with the
videos permuted among the clips: what a model that ignores its conditions would reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.extract import extract
from dawn.features.store import Features
from dawn.media.json_files import read_json

Signal = NDArray[Any]

PSNR_MARGIN = 6.0  # dB above copying the source
LEVELS = {"yaw": 0.8, "pitch": 0.8, "blink": 0.6, "mouth": 0.6}
INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper and lower points, 68-landmark numbering
OUTER_EYE_CORNERS = (36, 45)


def mouth_opening(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean inner lip distance over the distance of the outer eye corners: landmarks (n, 68, 2) to (n,)."""
    gaps = [np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=-1) for a, b in INNER_LIPS]
    left, right = OUTER_EYE_CORNERS
    return np.mean(gaps, axis=0) / np.linalg.norm(landmarks[:, left] - landmarks[:, right], axis=-1)


def correlation(a: Signal, b: Signal) -> float:
    """Pearson's r over the frames that both have; 0 where either is constant, since nothing is followed then."""
    n = min(len(a), len(b))
    a, b = np.asarray(a[:n], np.float64), np.asarray(b[:n], np.float64)
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-12 else 0.0


def quality(
    config: Config, clips: Sequence[str], *, truth: Path, commanded: Path, reconstruction: Path, scores: dict[str, Path]
) -> dict[str, Any]:
    """The report of one run.

    truth: folder of the true clips' features; commanded: folder of the videos made with the true clips' speech, pose
    and blink, with their sidecars; reconstruction: JSON of the flow generator's PSNR; scores: ``scores.json`` of the
    methods dawn, other_speech and still.
    """
    wanted = [load_file(commanded / f"{clip}.safetensors") for clip in clips]
    true = [Features.load(truth / f"{clip}.safetensors") for clip in clips]
    seen = [
        seen_in(commanded / f"{clip}.mp4", config) for clip in tqdm(clips, desc="quality", unit="clip", mininterval=2)
    ]
    signals: dict[str, tuple[list[Signal], list[Signal]]] = {
        "yaw": ([w["pose"][:, 0] for w in wanted], [_of(s, lambda f: f.pose[:, 0]) for s in seen]),
        "pitch": ([w["pose"][:, 1] for w in wanted], [_of(s, lambda f: f.pose[:, 1]) for s in seen]),
        "blink": ([w["blink"].mean(1) for w in wanted], [_of(s, lambda f: f.blink.mean(1)) for s in seen]),
        "mouth": (
            [mouth_opening(t.landmarks) for t in true],
            [_of(s, lambda f: mouth_opening(f.landmarks)) for s in seen],
        ),
    }
    report: dict[str, Any] = {"clips": len(clips), "lfg_psnr_db": _psnr(reconstruction)}
    for name, (given, got) in signals.items():
        report[f"{name}_correlation"] = followed(given, got, LEVELS[name])
    for name, metric, control in (("lip_sync", "lse_d_own", "other_speech"), ("motion", "fvd16", "still")):
        report[name] = _apart(metric, read_json(scores["dawn"]), control, read_json(scores[control]))
    report["passed"] = all(line["passed"] for line in report.values() if isinstance(line, dict))
    return report


def seen_in(video: Path, config: Config) -> Features | None:
    """Features of a generated video; None where too few frames show a face: nothing was followed then."""
    try:
        return extract(video, config.features, config.corpus.fps)
    except InputError:
        return None


def _of(features: Features | None, signal: Callable[[Features], Signal]) -> Signal:
    return np.zeros(1) if features is None else signal(features)


def _psnr(path: Path) -> dict[str, Any]:
    row = read_json(path)
    return {
        "value": row["lfg"],
        "baseline": row["copy"],
        "baseline_is": "copying the source frame",
        "required": row["copy"] + PSNR_MARGIN,
        "passed": row["lfg"] >= row["copy"] + PSNR_MARGIN,
    }


def followed(
    given: list[Signal], got: list[Signal], level: float, others: Sequence[int] | None = None
) -> dict[str, Any]:
    """The line of one signal; `others` says with whose video each clip is compared for the baseline, else the next."""
    each = [correlation(a, b) for a, b in zip(given, got, strict=True)]
    shifted = [got[k] for k in others] if others is not None else got[1:] + got[:1]
    return {
        "value": float(np.median(each)),
        "baseline": float(np.median([correlation(a, b) for a, b in zip(given, shifted, strict=True)])),
        "baseline_is": "videos permuted among the clips",
        "required": level,
        "passed": float(np.median(each)) >= level,
        "clips": [round(r, 4) for r in each],
    }


def _apart(metric: str, ours: dict[str, Any], control: str, other: dict[str, Any]) -> dict[str, Any]:
    try:
        mine, theirs = ours["metrics"][metric], other["metrics"][metric]
    except KeyError:
        raise InputError(f"{metric} was not measured for dawn and {control}; add it to evaluate.metrics") from None
    return {
        "metric": metric,
        "value": mine["value"],
        "interval": [mine["low"], mine["high"]],
        "baseline": theirs["value"],
        "baseline_interval": [theirs["low"], theirs["high"]],
        "baseline_is": control,
        "required": "lower than the baseline, intervals apart",
        "passed": mine["high"] < theirs["low"],
    }
