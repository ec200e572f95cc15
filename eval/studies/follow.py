"""Correlation of a portrait's motion with its driving video (paper A.4.1): pose, blinks and mouth, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.media.csv_files import write_rows
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import FACE_MESH
from eval.extract.features import FeatureExtractors
from eval.extract.spec import Arrays, ExtractorOptions
from eval.studies.learned import correlation, mouth_opening

# Face mesh -> (N,) signal: degrees, and ratios of lengths within the face.
_SIGNALS: Mapping[str, Callable[[Arrays], NDArray[np.floating]]] = {
    "yaw": lambda mesh: mesh["pose"][:, 0],
    "pitch": lambda mesh: mesh["pose"][:, 1],
    "roll": lambda mesh: mesh["pose"][:, 2],
    "blink": lambda mesh: eye_aspect_ratios(mesh["landmarks"]).mean(axis=1),
    "mouth": lambda mesh: mouth_opening(mesh["landmarks"]),
}


@dataclass(frozen=True)
class Followed:
    """Pearson's r of each signal, over the `frames` in which both videos show a face."""

    video: str
    frames: int
    yaw: float
    pitch: float
    roll: float
    blink: float
    mouth: float


def follow(driver: Path, videos: Sequence[Path], cache: Path) -> list[Followed]:
    """Correlate each of `videos` with its driving video from the first frame on, both resampled to 25 fps.

    cache: folder of extracted features. Raises InputError for a video that cannot be decoded, and for one that has
    fewer than 3 frames in which it and the driving video show a face.
    """
    extractors = FeatureExtractors([FACE_MESH], ExtractorOptions(), FeatureCache(cache))
    extraction = extractors.extract([driver, *videos], "faces")
    for path, reason in (*extraction.unreadable.items(), *((driver, why) for why in extractors.missing.values())):
        raise InputError(f"{path}: {reason}")
    driving = extraction.videos[driver].features[FACE_MESH.name]
    followed = []
    for video in videos:
        mesh = extraction.videos[video].features[FACE_MESH.name]
        count = min(len(driving["found"]), len(mesh["found"]))
        both = driving["found"][:count] & mesh["found"][:count]
        if both.sum() < 3:
            raise InputError(f"{video}: a face in {both.sum()} of the frames where {driver} has one; 3 are needed")
        r = {name: correlation(of(driving)[:count][both], of(mesh)[:count][both]) for name, of in _SIGNALS.items()}
        followed.append(Followed(str(video), int(both.sum()), **r))
    return followed


def median(followed: Sequence[Followed]) -> Followed:
    """Compute the median of each signal over videos; `frames` is their sum."""
    medians = {name: float(np.median([getattr(one, name) for one in followed])) for name in _SIGNALS}
    return Followed("median", sum(one.frames for one in followed), **medians)


def write(followed: Sequence[Followed], path: Path) -> None:
    """Write the correlations as CSV, one row per video."""
    write_rows(path, [field.name for field in fields(Followed)], map(astuple, followed))


def table(followed: Sequence[Followed]) -> str:
    """Format the correlations as text, one line per video, and the median of several."""
    shown = [*followed, median(followed)] if len(followed) > 1 else followed
    numbers = [(one.video, str(one.frames), *(f"{getattr(one, name):.3f}" for name in _SIGNALS)) for one in shown]
    return tabulate(numbers, ("video", "frames", *_SIGNALS), tablefmt="plain", disable_numparse=True)
