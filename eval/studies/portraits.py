"""Checks of videos of given portraits and recordings: does a run make people speak of whom it has no clip?

There is no true video of such a pair, so the checks compare a video with its portrait and its sound. What recorded
speakers measure stands in docs/explanation/evaluation.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.extract import FaceTrack
from dawn.features.identity import DlibFace
from dawn.features.portrait import observe_portrait
from dawn.media.audio import read_audio
from dawn.media.csv_files import write_rows
from dawn.media.image import read_image, write_image
from dawn.media.json_files import write_json
from dawn.media.video import load_frames
from eval.metrics.csim import EVERY, csim
from eval.studies.learned import correlation, detected_motion, mouth_opening
from eval.studies.silence import frame_power

RATE = 16000  # of the sound, Hz
SAMPLES = RATE / 25  # in a video frame
SMOOTHING = 1.0  # frames, standard deviation: syllables last about five frames
SHIFTS = 8  # of the sound, evenly spaced from a quarter to three quarters of the video
IDENTITY = 0.93  # cosine; two different people score 0.83 to 0.87
MOUTH_CORRELATION = 0.4
MOUTH_DEVIATION = 0.023  # relative to the distance of the outer eye corners
HEAD_DEVIATION = (2.0, 6.0)  # degrees


@dataclass(frozen=True)
class PortraitRow:
    """Measurements of one video.

    csim: cosine of dlib's embeddings of the frames and of the cropped portrait. mouth_correlation: Pearson's r of mouth
    opening and loudness; mouth_shifted: its mean over shifts of the sound. mouth_deviation, head_deviation: standard
    deviations of the mouth opening and of the head's angles in degrees (root of the sum of the variances of yaw, pitch
    and roll). found: fraction of the frames with a face. Values are NaN without a face.
    """

    portrait: str
    recording: str
    frames: int
    csim: float = math.nan
    mouth_correlation: float = math.nan
    mouth_shifted: float = math.nan
    mouth_deviation: float = math.nan
    head_deviation: float = math.nan
    found: float = 0.0


def measure_portraits(videos: Path, portraits: Sequence[Path], out: Path) -> dict[str, Any]:
    """Measure the videos ``PORTRAIT-RECORDING.mp4`` of a folder.

    portraits: the image files; a video is of that portrait whose name its own begins with. out: folder to write, with
    ``portraits.csv``, ``portraits.json``, of which the content is returned, and the cropped portraits ``PORTRAIT.png``.
    Raises InputError where the folder holds no video, a video has no portrait among those given, or a file cannot be
    read.
    """
    pairs = _pairs(videos, portraits)
    face, config = DlibFace(), Config()
    embeddings: dict[Path, NDArray[np.float32]] = {}
    rows = []
    for video, portrait, recording in tqdm(pairs, desc="portraits", unit="video"):
        frames = load_frames(video)
        if portrait not in embeddings:
            crop, observed = observe_portrait(
                read_image(portrait), len(frames[0]), config.corpus.face_height, config.features, str(portrait)
            )
            write_image(out / f"{portrait.stem}.png", crop)
            embeddings[portrait] = face(crop[None], observed.landmarks[None])
        track = detected_motion(video, config)
        values: dict[str, float] = {}
        if track is not None:
            shown = face(frames[::EVERY], track.landmarks[::EVERY])
            identity = csim(np.repeat(embeddings[portrait], len(shown), axis=0), shown).csim
            values = {"csim": identity, **_motion(track, read_audio(video, RATE))}
        rows.append(PortraitRow(portrait.stem, recording, len(frames), **values))
    write_rows(out / "portraits.csv", tuple(asdict(rows[0])), (_formatted(row) for row in rows))
    report = portrait_checks(rows)
    write_json(out / "portraits.json", report)
    return report


def portrait_checks(rows: Sequence[PortraitRow]) -> dict[str, Any]:
    """Check the measurements against the required levels; a video without a face passes none.

    Identity and head deviation are checked in the worst video. Mouths are checked for each recording, as medians over
    the portraits, because landmarks of a mouth below a moustache or in a painting are uncertain; ``value`` is the
    lowest of them.
    """
    recordings = list(dict.fromkeys(row.recording for row in rows))

    def mouth_check(name: str, level: float) -> dict[str, Any]:
        values = {
            recording: float(np.median([getattr(row, name) for row in rows if row.recording == recording]))
            for recording in recordings
        }
        lowest = float(np.min(list(values.values())))
        by_recording = {recording: _rounded(value) for recording, value in values.items()}
        return {"value": _rounded(lowest), "required": level, "recordings": by_recording, "passed": lowest >= level}

    identity = float(np.min([row.csim for row in rows]))
    least, most = (float(bound([row.head_deviation for row in rows])) for bound in (np.min, np.max))
    low, high = HEAD_DEVIATION
    shifted = _rounded(float(np.median([row.mouth_shifted for row in rows])))
    checks: dict[str, dict[str, Any]] = {
        "identity": {"value": _rounded(identity), "required": IDENTITY, "passed": identity >= IDENTITY},
        "mouth_correlation": mouth_check("mouth_correlation", MOUTH_CORRELATION)
        | {"baseline": shifted, "baseline_is": "shifted sound"},
        "mouth_deviation": mouth_check("mouth_deviation", MOUTH_DEVIATION),
        "head_deviation": {
            "value": [_rounded(least), _rounded(most)],
            "required": f"{low:g} to {high:g} degrees",
            "passed": low <= least and most <= high,
        },
    }
    return {"videos": len(rows), **checks, "passed": all(check["passed"] for check in checks.values())}


def _rounded(value: float) -> float | None:
    """Round to four digits; None, for JSON, where there is no value."""
    return round(value, 4) if np.isfinite(value) else None


def loudness(sound: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Compute the root mean square (frames,) of sound (T,) during each frame, smoothed over time."""
    return np.asarray(gaussian_filter1d(np.sqrt(frame_power(sound, frames, SAMPLES)), SMOOTHING))


def _pairs(videos: Path, portraits: Sequence[Path]) -> list[tuple[Path, Path, str]]:
    """Return for each video its portrait and the name of its recording."""
    found = sorted(videos.glob("*.mp4"))
    if not found:
        raise InputError(f"{videos}: no videos; generate some, named PORTRAIT-RECORDING.mp4")
    pairs = []
    for video in found:
        # The longest of the names with which the video's begins: "a-b" rather than "a" for "a-b-speech".
        names = [portrait for portrait in portraits if video.stem.startswith(f"{portrait.stem}-")]
        if not names:
            raise InputError(f"{video}: of none of the given portraits; name it PORTRAIT-RECORDING.mp4")
        portrait = max(names, key=lambda path: len(path.stem))
        pairs.append((video, portrait, video.stem.removeprefix(f"{portrait.stem}-")))
    return pairs


def _motion(track: FaceTrack, sound: NDArray[np.float32]) -> dict[str, float]:
    """Compute the measurements of a video's motion and sound."""
    opening = mouth_opening(track.landmarks)
    n = len(opening)
    smooth, loud = np.asarray(gaussian_filter1d(opening, SMOOTHING)), loudness(sound, n)
    shifts = np.linspace(n / 4, 3 * n / 4, SHIFTS).astype(int)
    return {
        "mouth_correlation": correlation(smooth, loud),
        "mouth_shifted": float(np.mean([correlation(smooth, np.roll(loud, shift)) for shift in shifts])),
        "mouth_deviation": float(opening.std()),
        "head_deviation": float(np.sqrt(track.pose[:, :3].var(axis=0).sum())),
        "found": float(track.found.mean()),
    }


def _formatted(row: PortraitRow) -> list[object]:
    return [f"{value:.4f}" if isinstance(value, float) else value for value in asdict(row).values()]
