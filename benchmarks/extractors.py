"""Accuracy and speed of the two landmark and pose extractors, and of the blendshapes.

They are compared with the ground truth of the rendered demo corpus, and on real videos with each other and with dlib's
68-point predictor, which shares nothing with either.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dlib
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from dawn.config import Features
from dawn.demo import generate_truth, render_clip
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.extractors import Extractor
from dawn.features.identity import face_rectangle
from dawn.features.landmarks import BLENDSHAPES
from dawn.media.video import iter_frames, load_frames
from dawn.weights import verified
from eval.studies.learned import correlation, mouth_opening

TOOLS = ("mediapipe", "3ddfa")
_ANGLES = ("yaw", "pitch", "roll")
_FRAMES = 75  # of each real clip
_CLOSED = 0.7  # threshold relative to the clip's median eye aspect ratio, as in `blink_per_s`
_SHORTEST = 2  # frames
_SLACK = 2  # frames by which a detected blink may be early or late


@dataclass(frozen=True)
class Track:
    """Detections of one extractor in a clip."""

    pose: NDArray[np.float32]  # (n, 6) of the frames with a face
    landmarks: NDArray[np.float32]  # (n, 68, 2)
    blendshapes: NDArray[np.float32]  # (n, 52)
    found: NDArray[np.bool_]  # (N,)
    seconds: float

    @property
    def eyes(self) -> NDArray[np.float32]:
        """Eye aspect ratios (n, 2)."""
        return eye_aspect_ratios(self.landmarks)


def compare(people: int, seconds: float, side: int, clips: Path | None) -> pd.DataFrame:
    """Compare the extractors on `people` rendered clips of `side` pixels and `seconds` seconds, and on the videos in
    `clips`.

    One row for each material and extractor. Errors in degrees are means of absolute differences, from the ground truth
    of rendered clips and from MediaPipe in real ones; ``_steady`` errors are without the clip's mean difference,
    because the networks are conditioned on changes of pose. A blink is a closed eye for two frames or more; precision
    and recall are over all rendered blinks. ``_r`` is the mean over clips of Pearson's r with the ground truth of
    rendered clips, and with the same measure on dlib's landmarks in real ones: ``lids_r`` of the eye aspect ratio,
    ``eye_blink_r`` of the blendshapes eyeBlinkLeft and eyeBlinkRight, ``mouth_r`` of the distance of the lips,
    ``jaw_open_r`` of the blendshape jawOpen. Raises InputError for a folder without videos.
    """
    torch.set_num_threads(1)
    rows = []
    drawn: dict[str, list[dict[str, float]]] = {tool: [] for tool in TOOLS}
    with tempfile.TemporaryDirectory() as folder:
        for index in tqdm(range(1000, 1000 + people), desc="drawn clips", unit="clip"):
            truth = generate_truth(1234, index, 0, seconds)
            render_clip(truth, side, Path(folder) / "clip.mp4")
            frames = load_frames(Path(folder) / "clip.mp4")
            for tool in TOOLS:
                track = follow(tool, frames)
                closed = closed_runs(truth.motion.closure.mean(1) > 0.5)
                hits, counted = matched_blinks(_blinks(track), closed)
                signals = _followed(track, -truth.motion.closure.mean(1), truth.motion.mouth[:, 0])
                blinks = {"hits": hits, "counted": counted, "blinks": len(closed)}
                drawn[tool].append(_errors(track, truth.motion.pose) | blinks | signals)
    rows += [_row(f"drawn, {side} pixels", "truth", tool, drawn[tool]) for tool in TOOLS]
    real: dict[str, list[dict[str, float]]] = {tool: [] for tool in TOOLS}
    for clip in tqdm(list(_videos(clips)) if clips else [], desc="real clips", unit="clip"):
        frames = np.stack(list(itertools.islice(iter_frames(clip, 25), _FRAMES)))
        tracks = {tool: follow(tool, frames) for tool in TOOLS}
        reference = np.zeros((len(frames), 6), np.float32)
        reference[tracks["mediapipe"].found] = tracks["mediapipe"].pose
        points = dlib_landmarks(frames[tracks["mediapipe"].found], tracks["mediapipe"].landmarks)
        lids, mouth = (np.zeros(len(frames)) for _ in range(2))
        lids[tracks["mediapipe"].found] = eye_aspect_ratios(points).mean(1)
        mouth[tracks["mediapipe"].found] = mouth_opening(points)
        for tool in TOOLS:
            real[tool].append(_errors(tracks[tool], reference) | _followed(tracks[tool], lids, mouth))
    if clips:
        rows += [_row("real", "mediapipe", tool, real[tool]) for tool in TOOLS]
    return pd.DataFrame(rows)


def follow(tool: str, frames: NDArray[np.uint8]) -> Track:
    """Run extractor `tool` on frames (N, H, W, 3); the seconds exclude the loading of networks."""
    faces = []
    found = np.zeros(len(frames), np.bool_)
    with Extractor(Features.model_validate({"pose": tool, "landmarks": tool})) as extractor:
        clock = time.perf_counter()
        for k, face in enumerate(extractor.detect(frames)):
            if face is not None:
                found[k] = True
                faces.append(face)
        seconds = time.perf_counter() - clock
    return Track(
        np.reshape([face.pose for face in faces], (-1, 6)),
        np.reshape([face.landmarks for face in faces], (-1, 68, 2)),
        np.reshape([face.blendshapes for face in faces], (-1, 52)),
        found,
        seconds,
    )


def dlib_landmarks(frames: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Predict dlib's 68 landmarks (n, 68, 2), pixels, in frames (n, H, W, 3) whose faces lie at `landmarks`."""
    predictor = dlib.shape_predictor(str(verified("dlib-landmarks").path))
    points = []
    for frame, face in zip(frames, landmarks, strict=True):
        shape = predictor(np.ascontiguousarray(frame), dlib.rectangle(*(round(x) for x in face_rectangle(face))))
        points.append([(shape.part(k).x, shape.part(k).y) for k in range(68)])
    return np.array(points, np.float32).reshape(-1, 68, 2)


def _followed(track: Track, lids: NDArray[np.floating], mouth: NDArray[np.floating]) -> dict[str, float]:
    """Correlate a track with the openings of lids and mouth (N,) in the frames with a face."""
    shapes = dict(zip(BLENDSHAPES, track.blendshapes.T, strict=True))
    lids, mouth = lids[track.found], mouth[track.found]
    return {
        "lids_r": correlation(track.eyes.mean(1), lids),
        "eye_blink_r": correlation(-(shapes["eyeBlinkLeft"] + shapes["eyeBlinkRight"]), lids),
        "mouth_r": correlation(mouth_opening(track.landmarks), mouth),
        "jaw_open_r": correlation(shapes["jawOpen"], mouth),
    }


def _errors(track: Track, pose: NDArray[np.float32]) -> dict[str, float]:
    difference = track.pose[:, :3] - pose[track.found, :3]
    steady = difference - difference.mean(0, keepdims=True) if len(difference) else difference
    sums = {f"{name}_error": float(np.abs(difference[:, k]).sum()) for k, name in enumerate(_ANGLES)}
    sums |= {f"{name}_steady": float(np.abs(steady[:, k]).sum()) for k, name in enumerate(_ANGLES)}
    return sums | {"frames": len(track.found), "found": int(track.found.sum()), "seconds": track.seconds}


def _row(material: str, against: str, tool: str, clips: list[dict[str, float]]) -> dict[str, float | str]:
    """Convert sums over clips to means over frames and blinks."""
    total = pd.DataFrame(clips).sum()
    row: dict[str, float | str] = {"material": material, "against": against, "tool": tool, "clips": len(clips)}
    row |= {"frames": int(total.frames)}
    row |= {"found": total.found / total.frames, "ms_per_frame": 1000 * total.seconds / total.frames}
    row |= {key: total[key] / total.found for key in total.index if key.endswith(("_error", "_steady"))}
    row |= {key: total[key] / len(clips) for key in total.index if key.endswith("_r")}
    if "blinks" in total:
        row |= {"blinks": int(total.blinks), "blink_precision": total.hits / max(total.counted, 1)}
        row |= {"blink_recall": total.hits / max(total.blinks, 1)}
    return row


def _blinks(track: Track) -> list[range]:
    ratio = np.full(len(track.found), np.inf)
    ratio[track.found] = track.eyes.mean(1)
    return closed_runs(ratio < _CLOSED * np.median(ratio[track.found])) if track.found.any() else []


def closed_runs(closed: NDArray[np.bool_]) -> list[range]:
    """Return the runs of closed frames; runs one open frame apart are one, shorter ones than two frames are
    excluded."""
    where = np.flatnonzero(closed)
    if not len(where):
        return []
    runs = np.split(where, np.flatnonzero(np.diff(where) > 2) + 1)
    return [range(run[0], run[-1] + 1) for run in runs if len(run) >= _SHORTEST]


def matched_blinks(counted: list[range], true: list[range]) -> tuple[int, int]:
    """Return the number of rendered blinks that are matched one-to-one with a counted blink, and the number of counted
    blinks."""
    free = list(counted)
    hits = 0
    for blink in true:
        for other in free:
            if other.start - _SLACK < blink.stop and blink.start - _SLACK < other.stop:
                free.remove(other)
                hits += 1
                break
    return hits, len(counted)


def _videos(folder: Path) -> Iterator[Path]:
    found = sorted(path for path in folder.glob("*") if path.suffix in (".mp4", ".mpg", ".avi", ".mov"))
    if not found:
        raise InputError(f"{folder}: no videos; give a folder of .mp4, .mpg, .avi or .mov files")
    yield from found
