"""Does a portrait move as the video that drives it (paper A.4.1)? Pose, blinks and mouth of both, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.media.csv_files import write_rows
from eval.extract.cache import Arrays, Cache
from eval.extract.features import Choices
from eval.extract.reading import available, read
from eval.studies.evaluate import aligned
from eval.studies.learned import correlation, mouth_opening

# (N,) of what the mesh saw; degrees, and ratios of lengths within the face.
_SIGNALS: Mapping[str, Callable[[Arrays], NDArray[np.floating]]] = {
    "yaw": lambda mesh: mesh["pose"][:, 0],
    "pitch": lambda mesh: mesh["pose"][:, 1],
    "roll": lambda mesh: mesh["pose"][:, 2],
    "blink": lambda mesh: eye_aspect_ratios(mesh["landmarks"]).mean(axis=1),
    "mouth": lambda mesh: mouth_opening(mesh["landmarks"]),
}


@dataclass(frozen=True)
class Followed:
    """Pearson's r of each signal over the `frames` that both videos have and show a face in."""

    video: str
    frames: int
    yaw: float
    pitch: float
    roll: float
    blink: float
    mouth: float


def follow(driver: Path, videos: Sequence[Path], cache: Cache) -> list[Followed]:
    """Each of `videos`, resampled to 25 fps, against its driver from the first frame on.

    Raises InputError for a video that cannot be read or shares fewer than 3 frames with a face with its driver.
    """
    reading = read([driver, *videos], available(["mesh"], Choices())[0], cache, label="faces")
    for path, why in reading.unreadable.items():
        raise InputError(f"{path}: {why}")
    told = reading.videos[driver].parts["mesh"]
    found = []
    for video in videos:
        seen = reading.videos[video].parts["mesh"]
        count = min(len(told["found"]), len(seen["found"]))
        both = told["found"][:count] & seen["found"][:count]
        if both.sum() < 3:
            raise InputError(f"{video}: a face in {both.sum()} of the frames where {driver} has one; 3 are needed")
        r = {name: correlation(of(told)[:count][both], of(seen)[:count][both]) for name, of in _SIGNALS.items()}
        found.append(Followed(str(video), int(both.sum()), **r))
    return found


def median(found: Sequence[Followed]) -> Followed:
    """Of each signal over videos; the frames of all together."""
    each = {name: float(np.median([getattr(one, name) for one in found])) for name in _SIGNALS}
    return Followed("median", sum(one.frames for one in found), **each)


def write(found: Sequence[Followed], path: Path) -> None:
    """One video a row."""
    write_rows(path, [one.name for one in fields(Followed)], (astuple(one) for one in found))


def table(found: Sequence[Followed]) -> str:
    """The correlations for a terminal."""
    shown = [*found, median(found)] if len(found) > 1 else found
    numbers = [(one.video, str(one.frames), *(f"{getattr(one, name):.3f}" for name in _SIGNALS)) for one in shown]
    return "\n".join(aligned([("video", "frames", *_SIGNALS), *numbers]))
