"""Training checks: a generated video starts at the portrait, with its head pose and eye opening."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.config import Config
from dawn.features.blink import eye_aspect_ratios
from dawn.features.extractors import Extractor
from dawn.media.video import iter_frames

ANGLE = 3.0  # degrees, the largest of yaw, pitch and roll
EYES = 0.05  # eye aspect ratio, mean of both eyes

Start = NDArray[np.float64]  # (4,) yaw, pitch, roll in degrees, mean eye aspect ratio


def start_of(pose: NDArray[np.floating], blink: NDArray[np.floating]) -> Start:
    """Return yaw, pitch, roll and the mean eye opening of a pose (6,) and blink (2,)."""
    return np.array([*pose[:3], np.mean(blink)], np.float64)


def detected_start(video: Path, config: Config) -> Start | None:
    """Detect pose and eye opening in the first frame of a video; None without a face.

    Raises InputError for a missing or unreadable video, and for absent weights.
    """
    with Extractor(config.features) as extractor:
        face = next(extractor.detect(itertools.islice(iter_frames(video, config.corpus.fps), 1)))
    return None if face is None else start_of(face.pose, eye_aspect_ratios(face.landmarks))


def start_checks(sources: Sequence[Start], detected: Sequence[Start | None]) -> dict[str, dict[str, Any]]:
    """Check that videos start at their sources: ``start_pose`` (degrees) and ``start_eyes`` (eye aspect ratio).

    sources: what was measured in each source. detected: what was detected in the first frame of its video. The median
    over clips of the largest absolute difference of an angle is at most :data:`ANGLE`, that of the eye opening at most
    :data:`EYES`. A video without a face differs by more than any level.
    """
    permuted = [*detected[1:], *detected[:1]]
    pairs = (zip(sources, videos, strict=True) for videos in (detected, permuted))
    own, others = (np.array([_difference(*pair) for pair in part]) for part in pairs)
    levels = {"start_pose": ANGLE, "start_eyes": EYES}
    return {name: _check(own[:, i], others[:, i], level) for i, (name, level) in enumerate(levels.items())}


def _difference(source: Start, video: Start | None) -> tuple[float, float]:
    """Compute the largest absolute difference of an angle, and that of the eye opening; infinite without a face."""
    if video is None:
        return np.inf, np.inf
    difference = np.abs(video - source)
    return difference[:3].max(), difference[3]


def _check(own: NDArray[np.float64], others: NDArray[np.float64], level: float) -> dict[str, Any]:
    value, baseline = float(np.median(own)), float(np.median(others))
    report = {
        "value": _finite(value),
        "baseline": _finite(baseline),
        "baseline_is": "videos permuted among the clips",
        "required": f"at most {level:g}",
        "passed": value <= level,
        "clips": [_finite(round(float(difference), 4)) for difference in own],
    }
    return report if np.isfinite(value) else report | {"reason": "no face in the first frame of half of the videos"}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
