"""Extraction of all features of a clip, face and speech."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn import config
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.boxes import face_box, mouth_box
from dawn.features.encoders import encoder_version
from dawn.features.extractors import Extractor
from dawn.features.interpolation import interpolate_rows
from dawn.features.mfcc import frame_mfcc
from dawn.features.speech import encode
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.video import iter_frames


class NoFaceError(InputError):
    """Video with a face in too few of its frames."""


@dataclass(frozen=True)
class FaceTrack:
    """Face in each of N frames; rows of frames without a face are interpolated."""

    landmarks: NDArray[np.float32]  # (N, 68, 2) pixels
    pose: NDArray[np.float32]  # (N, 6) yaw, pitch, roll in degrees, scale, tx, ty
    blink: NDArray[np.float32]  # (N, 2) eye aspect ratio, left and right
    blendshapes: NDArray[np.float32]  # (N, 52) 0 to 1
    found: NDArray[np.bool_]  # (N,) False where the row is interpolated
    extractor: str  # name and version


def track_face(video: str | os.PathLike[str], cfg: config.Features, fps: float = 25) -> FaceTrack:
    """Detect the face in each frame of a video, sampled at `fps`; sound is not needed.

    Raises InputError when the video cannot be read, NoFaceError when less than cfg.min_face_share of its frames show a
    face.
    """
    with Extractor(cfg) as extractor:
        faces = list(extractor.detect(iter_frames(video, fps)))
    found = np.array([face is not None for face in faces])
    if not found.any() or found.mean() < cfg.min_face_share:
        raise NoFaceError(
            f"{video}: a face in {found.sum()} of {len(found)} frames, fewer than the share of {cfg.min_face_share:g} "
            "that features.min_face_share requires"
        )
    points = _interpolated([None if face is None else face.landmarks for face in faces])
    return FaceTrack(
        landmarks=points,
        pose=_interpolated([None if face is None else face.pose for face in faces]),
        blink=eye_aspect_ratios(points),
        blendshapes=_interpolated([None if face is None else face.blendshapes for face in faces]),
        found=found,
        extractor=extractor.version,
    )


def extract(video: str | os.PathLike[str], cfg: config.Features, fps: float = 25) -> Features:
    """Extract the features of a clip with sound, one row per frame at `fps`.

    Raises InputError, with the reason, for a clip that cannot be read, has no sound or shows a face in too few frames.
    """
    audio = read_audio(video)
    track = track_face(video, cfg, fps)
    return Features(
        landmarks=track.landmarks,
        pose=track.pose,
        blink=track.blink,
        blendshapes=track.blendshapes,
        speech=encode(audio, len(track.found), cfg.speech),
        mfcc=frame_mfcc(audio, len(track.found)),
        face_box=face_box(track.landmarks),
        mouth_box=mouth_box(track.landmarks),
        found=track.found,
        extractor=track.extractor,
        encoder=encoder_version(cfg.speech),
        fps=fps,
    )


def _interpolated(rows: list[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    """Stack N rows to (N, ...), interpolating those that are None."""
    known = [index for index, row in enumerate(rows) if row is not None]
    values = np.stack([row for row in rows if row is not None])
    return interpolate_rows(values, known, np.arange(len(rows))).astype(np.float32)
