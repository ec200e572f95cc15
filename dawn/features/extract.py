"""All features of a clip from one decoding of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn import config
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.boxes import face_box, mouth_box
from dawn.features.extractors import Extractor
from dawn.features.speech import encode
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.video import iter_frames


@dataclass(frozen=True)
class FaceTrack:
    """The face in each of N frames; rows without a face are interpolated between their neighbours."""

    landmarks: NDArray[np.float32]  # (N, 68, 2) pixels
    pose: NDArray[np.float32]  # (N, 6)
    blink: NDArray[np.float32]  # (N, 2)
    found: NDArray[np.bool_]  # (N,)
    extractor: str  # name and version


def track_face(video: str | os.PathLike[str], cfg: config.Features, fps: float = 25) -> FaceTrack:
    """Follow the face of a video, sampled at `fps`; sound is not needed.

    Raises InputError when the video cannot be read or shows a face in less than cfg.min_face_share of its frames.
    """
    landmarks: list[NDArray[np.float32] | None] = []
    poses: list[NDArray[np.float32] | None] = []
    with Extractor(cfg) as extractor:
        for frame in iter_frames(video, fps):
            face = extractor.see(frame)
            landmarks.append(None if face is None else face.landmarks)
            poses.append(None if face is None else face.pose)
    found = np.array([row is not None for row in landmarks])
    if not found.any() or found.mean() < cfg.min_face_share:
        raise InputError(
            f"{video}: a face in {found.sum()} of {len(found)} frames, fewer than the share of {cfg.min_face_share:g} "
            "that features.min_face_share asks for"
        )
    points = _fill(landmarks)
    return FaceTrack(
        landmarks=points, pose=_fill(poses), blink=eye_aspect_ratios(points), found=found, extractor=extractor.version
    )


def extract(video: str | os.PathLike[str], cfg: config.Features, fps: float = 25) -> Features:
    """Features of a clip with sound, one row for each frame at `fps`.

    Raises InputError, with the reason, for a clip that cannot be read, has no sound or shows too little of a face.
    """
    audio = read_audio(video)
    track = track_face(video, cfg, fps)
    return Features(
        landmarks=track.landmarks,
        pose=track.pose,
        blink=track.blink,
        speech=encode(audio, len(track.found), cfg.speech),
        face_box=face_box(track.landmarks),
        mouth_box=mouth_box(track.landmarks),
        found=track.found,
        extractor=track.extractor,
        encoder=cfg.speech.encoder,
        fps=fps,
    )


def _fill(rows: list[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """(N, ...) with missing rows interpolated linearly, the first and last known row held beyond them."""
    known = np.array([k for k, row in enumerate(rows) if row is not None])
    values = np.stack([row for row in rows if row is not None])
    flat = values.reshape(len(known), -1)
    index = np.arange(len(rows))
    filled = np.stack([np.interp(index, known, column) for column in flat.T], axis=1)
    return filled.reshape(len(rows), *values.shape[1:]).astype(np.float32)
