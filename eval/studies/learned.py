"""Training checks of a run: each measurement on held-out people, with a baseline and the level that is required.

Correlations are Pearson's, within each clip, between the conditions of a generated video (or the real clip's motion)
and the motion detected in it; the median over clips is compared with the required level. The baseline is the same
median with the videos permuted among the clips: what a model that ignores its conditions would reach. Further checks
are those of :mod:`eval.studies.silence`, :mod:`eval.studies.video_starts` and :mod:`eval.studies.head_motion`.
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
from dawn.features.extract import FaceTrack, NoFaceError, track_face
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.json_files import read_json
from dawn.paths import clip_file
from eval.studies.clip_list import video_path
from eval.studies.head_motion import head_motion_checks, sampled_angles
from eval.studies.silence import quiet_frames, silence_check
from eval.studies.video_starts import detected_start, start_checks, start_of

Signal = NDArray[Any]

PSNR_MARGIN = 6.0  # dB above copying the source frame
LEVELS = {"yaw": 0.8, "pitch": 0.8, "blink": 0.6, "mouth": 0.6}
SEPARATIONS = (
    ("lip_sync", "lse_d_own", "other_speech"),
    ("motion", "fvd16", "still"),
    ("frames", "fd_efficientnet", "still"),
)
INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper and lower points, 68-landmark numbering
OUTER_EYE_CORNERS = (36, 45)


def mouth_opening(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the mouth opening (n,) from landmarks (n, 68, 2).

    It is the mean distance of the inner lips, relative to that of the outer eye corners.
    """
    gaps = [np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=-1) for a, b in INNER_LIPS]
    left, right = OUTER_EYE_CORNERS
    return np.mean(gaps, axis=0) / np.linalg.norm(landmarks[:, left] - landmarks[:, right], axis=-1)


def correlation(a: Signal, b: Signal) -> float:
    """Compute Pearson's r over the common frames; 0 where either signal is constant."""
    n = min(len(a), len(b))
    a, b = np.asarray(a[:n], np.float64), np.asarray(b[:n], np.float64)
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-12 else 0.0


def quality(
    config: Config,
    clips: Sequence[str],
    *,
    truth: Path,
    videos: Path,
    commanded: Path,
    head_motion: Path,
    reconstruction: Path,
    scores: dict[str, Path],
) -> dict[str, Any]:
    """Compute the training checks of one run, the content of ``quality.json``.

    truth: folder of the real clips' features. videos: folder of DAWN's videos. commanded: folder of the videos
    generated with the real clips' speech, pose and blink, with their sidecars. head_motion: file of ``dawn
    head-motion``. reconstruction: JSON file with the flow generator's PSNR. scores: ``scores.json`` of the methods
    dawn, other_speech and still. A video without a face has correlation 0. Raises InputError for a missing or
    unreadable video or file, and for absent weights.
    """
    conditions = [load_file(commanded / f"{clip}.safetensors") for clip in clips]
    real = [Features.load(clip_file(truth, clip, ".safetensors")) for clip in clips]
    sampled = sampled_angles(head_motion, dict(zip(clips, real, strict=True)))
    tracks = [
        detected_motion(commanded / f"{clip}.mp4", config)
        for clip in tqdm(clips, desc="quality", unit="clip", mininterval=2)
    ]
    signals: dict[str, tuple[list[Signal], list[Signal]]] = {
        "yaw": ([c["pose"][:, 0] for c in conditions], [_signal(t, lambda f: f.pose[:, 0]) for t in tracks]),
        "pitch": ([c["pose"][:, 1] for c in conditions], [_signal(t, lambda f: f.pose[:, 1]) for t in tracks]),
        "blink": ([c["blink"].mean(1) for c in conditions], [_signal(t, lambda f: f.blink.mean(1)) for t in tracks]),
        "mouth": (
            [mouth_opening(features.landmarks) for features in real],
            [_signal(t, lambda f: mouth_opening(f.landmarks)) for t in tracks],
        ),
    }
    report: dict[str, Any] = {"clips": len(clips), "lfg_psnr_db": psnr_check(reconstruction)}
    for name, (expected, detected) in signals.items():
        report[f"{name}_correlation"] = correlation_check(expected, detected, LEVELS[name])
    for name, metric, control in SEPARATIONS:
        report[name] = separation_check(metric, read_json(scores["dawn"]), control, read_json(scores[control]))
    # Of the commanded videos: their heads move as in the real clips, with which the openings are compared.
    sounds = [read_audio(commanded / f"{clip}.mp4", config.corpus.sample_rate) for clip in clips]
    samples = config.corpus.sample_rate / config.corpus.fps
    report["silence"] = silence_check(
        [None if track is None else mouth_opening(track.landmarks) for track in tracks],
        [quiet_frames(sound, len(c["pose"]), samples) for sound, c in zip(sounds, conditions, strict=True)],
        [mouth_opening(features.landmarks) for features in real],
    )
    report |= start_checks(
        [start_of(features.pose[0], features.blink[0]) for features in real],
        [detected_start(video_path(videos, clip), config) for clip in clips],
    )
    angles = [features.pose[:, :3].astype(np.float64) for features in real]
    report |= head_motion_checks(sampled, [clip - clip[0] for clip in angles], config.corpus.fps)
    report["passed"] = all(check["passed"] for check in report.values() if isinstance(check, dict))
    return report


def detected_motion(video: Path, config: Config) -> FaceTrack | None:
    """Track the face in a generated video; None where too few of its frames show a face.

    Raises InputError for a missing or unreadable video, and for absent weights.
    """
    try:
        return track_face(video, config.features, config.corpus.fps)
    except NoFaceError:
        return None


def _signal(track: FaceTrack | None, signal: Callable[[FaceTrack], Signal]) -> Signal:
    """Return a signal of a video; constant, so that its correlation is 0, where there is no face."""
    return np.zeros(1) if track is None else signal(track)


def psnr_check(path: Path) -> dict[str, Any]:
    """Check that the flow generator's PSNR exceeds that of copying the source frame by :data:`PSNR_MARGIN`.

    path: JSON file with the keys ``lfg`` and ``copy``, in dB.
    """
    row = read_json(path)
    return {
        "value": row["lfg"],
        "baseline": row["copy"],
        "baseline_is": "copying the source frame",
        "required": row["copy"] + PSNR_MARGIN,
        "passed": row["lfg"] >= row["copy"] + PSNR_MARGIN,
    }


def correlation_check(
    expected: list[Signal], detected: list[Signal], level: float, permutation: Sequence[int] | None = None
) -> dict[str, Any]:
    """Check that the median correlation of one signal over clips reaches `level`.

    permutation: for each clip the index of the video that the baseline compares it with; default: the next clip's.
    """
    correlations = [correlation(a, b) for a, b in zip(expected, detected, strict=True)]
    permuted = [detected[k] for k in permutation] if permutation is not None else detected[1:] + detected[:1]
    return {
        "value": float(np.median(correlations)),
        "baseline": float(np.median([correlation(a, b) for a, b in zip(expected, permuted, strict=True)])),
        "baseline_is": "videos permuted among the clips",
        "required": level,
        "passed": float(np.median(correlations)) >= level,
        "clips": [round(r, 4) for r in correlations],
    }


def separation_check(metric: str, generated: dict[str, Any], control: str, reference: dict[str, Any]) -> dict[str, Any]:
    """Check that a metric (lower is better) of DAWN's videos lies below that of a control, without overlap of
    intervals.

    generated, reference: contents of ``scores.json``. Raises InputError where one of them lacks the metric.
    """
    try:
        score, baseline = generated["metrics"][metric], reference["metrics"][metric]
    except KeyError:
        raise InputError(f"{metric} was not measured for dawn and {control}; add it to evaluate.metrics") from None
    return {
        "metric": metric,
        "value": score["value"],
        "interval": [score["low"], score["high"]],
        "baseline": baseline["value"],
        "baseline_interval": [baseline["low"], baseline["high"]],
        "baseline_is": control,
        "required": "lower than the baseline, intervals apart",
        "passed": score["high"] < baseline["low"],
    }
