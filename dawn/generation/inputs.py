"""Inputs of generation: a portrait, speech, and a driving video for head pose and blinks.

Media and face libraries are imported when they are used, so that generation itself runs without them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.config import Config
from dawn.errors import InputError
from dawn.generation.driving import Source, transfer_pose_blink

if TYPE_CHECKING:
    from PIL.Image import Image

PathLike: TypeAlias = "str | os.PathLike[str]"
Portrait: TypeAlias = "PathLike | Image | NDArray[np.uint8]"
Speech: TypeAlias = "PathLike | tuple[ArrayLike, int]"

SILENCE = 1e-3  # peak amplitude; a recording below it (-60 dB) is an error


def read_source(portrait: Portrait, config: Config) -> Source:
    """Detect, crop and measure the largest face of an image file, PIL image or RGB array uint8 (H, W, 3).

    Raises InputError when the image cannot be read or no face is detected.
    """
    from dawn.features.blink import eye_aspect_ratios
    from dawn.features.boxes import face_box
    from dawn.features.portrait import observe_portrait
    from dawn.media.image import as_rgb, read_image

    if isinstance(portrait, str | os.PathLike):
        name, pixels = str(portrait), read_image(portrait)
    else:
        name, pixels = "portrait", as_rgb(portrait)
    corpus = config.corpus
    image, face = observe_portrait(pixels, corpus.resolution, corpus.face_height, config.features, name)
    return Source(
        image=image,
        pose=face.pose,
        blink=eye_aspect_ratios(face.landmarks),
        face_box=face_box(face.landmarks),
    )


def read_speech(speech: Speech, config: Config) -> tuple[NDArray[np.float32], int]:
    """Read sound (T,) in [-1, 1] at ``corpus.sample_rate``, and count the video frames that it covers.

    `speech` is a sound or video file, or (samples, rate) with samples (T,) or (T, channels): floats in [-1, 1] or
    16-bit integers. Raises InputError when it cannot be used, is silent or is shorter than a frame.
    """
    from dawn.media.audio import as_audio, read_audio

    rate, fps = config.corpus.sample_rate, config.corpus.fps
    if isinstance(speech, str | os.PathLike):
        name, audio = str(speech), read_audio(speech, rate)
    elif isinstance(speech, tuple) and len(speech) == 2:
        name, audio = "speech", as_audio(*speech, rate)
    else:
        raise InputError(f"speech: is a {type(speech).__name__}; give a file, or a pair (samples, rate)")
    frames = len(audio) * fps // rate
    if frames < 1:
        raise InputError(f"{name}: shorter than one frame; give at least {1 / fps:g} s of speech")
    if float(np.abs(audio).max()) < SILENCE:
        raise InputError(f"{name}: holds no sound (peak below -60 dB); give a file with speech")
    return audio, frames


def read_pose_blink(
    video: PathLike, source: Source, frames: int, config: Config
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure pose (frames, 6) and blink (frames, 2) of a driving video, transferred to the source (paper A.4.1).

    Raises InputError when the video cannot be read or shows a face in too few frames.
    """
    from dawn.features.extract import track_face

    track = track_face(video, config.features, config.corpus.fps)
    return transfer_pose_blink(track.pose, track.blink, source, frames)
