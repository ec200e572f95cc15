"""Checks of videos of given portraits and recordings: does a run make people speak of whom it has no clip?

There is no true video of such a pair, so the checks compare a video with its portrait and its sound. Levels are those
of recorded speakers: the mouth opening of clips of HDTF and VoxCeleb deviates by 0.046 to 0.066, of which half is
required, and their heads deviate by about 3 degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from tqdm import tqdm

from dawn.config import FACE_HEIGHT, Features
from dawn.errors import InputError
from dawn.features.extract import FaceTrack, NoFaceError, track_face
from dawn.features.extractors import Extractor
from dawn.features.identity import DlibFace
from dawn.features.portrait import crop_portrait
from dawn.media.audio import read_audio
from dawn.media.csv_files import write_rows
from dawn.media.image import read_image, write_image
from dawn.media.json_files import write_json
from dawn.media.video import load_frames
from eval.metrics.csim import EVERY, csim
from eval.studies.learned import correlation, mouth_opening

FPS, RATE = 25, 16000  # of videos and their sound as they are measured
SMOOTHING = 1.0  # frames, standard deviation: syllables last about five frames
SHIFTS = 8  # of the sound, evenly spaced from a quarter to three quarters of the video
IDENTITY = 0.93  # cosine; two different people score about 0.83
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
    csim: float
    mouth_correlation: float
    mouth_shifted: float
    mouth_deviation: float
    head_deviation: float
    found: float


def measure_portraits(videos: Path, portraits: Sequence[Path], out: Path) -> dict[str, Any]:
    """Measure the videos ``PORTRAIT-RECORDING.mp4`` of a folder.

    portraits: the image files; a video is of that portrait whose name its own begins with. out: folder to write, with
    ``portraits.csv``, ``portraits.json``, of which the content is returned, and the cropped portraits ``PORTRAIT.png``.
    Raises InputError where the folder holds no video, a video has no portrait among those given, or a file cannot be
    read.
    """
    pairs = _pairs(videos, portraits)
    face, features = DlibFace(), Features()
    embeddings: dict[Path, NDArray[np.float32]] = {}
    rows = []
    for video, portrait, recording in tqdm(pairs, desc="portraits", unit="video"):
        frames = load_frames(video)
        if portrait not in embeddings:
            crop, landmarks = _cropped(portrait, len(frames[0]), features)
            write_image(out / f"{portrait.stem}.png", crop)
            embeddings[portrait] = face(crop[None], landmarks[None])
        try:
            track = track_face(video, features, FPS)
        except NoFaceError:
            track = None
        values = _measure(track, read_audio(video, RATE)) | {
            "csim": _identity(embeddings[portrait], frames, track, face)
        }
        rows.append(PortraitRow(portrait.stem, recording, frames=len(frames), **values))
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

    def medians(name: str) -> list[float]:
        return [float(np.median([getattr(row, name) for row in rows if row.recording == each])) for each in recordings]

    def mouth_check(name: str, level: float) -> dict[str, Any]:
        values = medians(name)
        by_recording = dict(zip(recordings, map(_rounded, values), strict=True))
        lowest = float(np.min(values))
        return {
            "value": _rounded(lowest),
            "required": level,
            "recordings": by_recording,
            "passed": lowest >= level,
        }

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
    edges = np.arange(frames + 1) * (RATE // FPS)
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    power = np.diff(energy[np.minimum(edges, len(sound))]) / np.diff(edges)
    return np.asarray(gaussian_filter1d(np.sqrt(power), SMOOTHING))


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


def _cropped(portrait: Path, side: int, features: Features) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Crop the largest face of a portrait as for generation, (side, side, 3), and detect its landmarks (68, 2)."""
    with Extractor(features, static=True) as extractor:
        crop = crop_portrait(
            read_image(portrait), side, FACE_HEIGHT, landmarker=extractor.landmarker, name=str(portrait)
        )
        found = next(extractor.detect([crop]))
    if found is None:
        raise InputError(f"{portrait}: the face is lost at {side} x {side} pixels; use a clearer portrait")
    return crop, found.landmarks


def _identity(source: NDArray[np.float32], frames: NDArray[np.uint8], track: FaceTrack | None, face: DlibFace) -> float:
    """Compute the mean cosine of a portrait's embedding (1, 128) and those of every fifth frame; NaN without a face."""
    if track is None:
        return float("nan")
    embeddings = face(frames[::EVERY], track.landmarks[::EVERY])
    return csim(np.repeat(source, len(embeddings), axis=0), embeddings).csim


def _measure(track: FaceTrack | None, sound: NDArray[np.float32]) -> dict[str, float]:
    """Compute the measurements of a video's motion; NaN without a face."""
    if track is None:
        names = ("mouth_correlation", "mouth_shifted", "mouth_deviation", "head_deviation")
        return dict.fromkeys(names, float("nan")) | {"found": 0.0}
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
