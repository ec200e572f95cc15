"""A portrait and speech to a video: what ``dawn generate`` does."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dawn import __version__
from dawn.config import Config
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.boxes import face_box
from dawn.features.extract import track_face
from dawn.features.extractors import Extractor
from dawn.features.portrait import crop_portrait
from dawn.features.speech import encode
from dawn.generation.longer import back_and_forth
from dawn.generation.motion import Source, decode, sample_motion, sample_pose_blink
from dawn.generation.networks import Networks
from dawn.media.audio import read_audio
from dawn.media.image import read_image
from dawn.media.video_writer import write_video
from dawn.seeds import torch_generator

SILENCE = 1e-3  # peak below this (-60 dB) is no speech
SYNTHETIC = {
    "title": "Synthetic talking head",
    "comment": "AI-generated: this video is synthetic and shows speech that the pictured person did not give",
    "synthetic": "true",
    "software": f"dawn {__version__}",
}


def load_source(path: Path, config: Config) -> Source:
    """Find, crop and measure the face of a portrait. Raises InputError when there is none."""
    side = config.corpus.resolution
    with Extractor(config.features, static=True) as extractor:
        image = crop_portrait(read_image(path), side, mesh=extractor.mesh, name=str(path))
        face = extractor.detect(image)
    if face is None:
        raise InputError(f"{path}: the face is lost at {side} x {side} pixels; use a clearer portrait")
    return Source(
        image=image,
        pose=face.pose,
        blink=eye_aspect_ratios(face.landmarks),
        face_box=face_box(face.landmarks),
    )


def load_speech(path: Path, config: Config) -> tuple[NDArray[np.float32], int]:
    """Sound (T,) at the corpus' rate and the frames that it covers. Raises InputError for silence."""
    audio = read_audio(path, config.corpus.sample_rate)
    if float(np.abs(audio).max()) < SILENCE:
        raise InputError(f"{path}: holds no sound (peak below -60 dB); give a file with speech")
    frames = len(audio) * config.corpus.fps // config.corpus.sample_rate
    if frames < 1:
        raise InputError(f"{path}: shorter than one frame; give at least {1 / config.corpus.fps:g} s of speech")
    return audio, frames


def reenact(
    driver: Path, source: Source, frames: int, config: Config
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose (n, 6) and blink (n, 2) of a driving video, carried over to the source (paper A.4.1).

    Angles are taken as they are; size, place and eye opening differ between people and framings, so their change since
    the driver's first frame is added to the source's own. A driver shorter than the speech is played back and forth.
    """
    features = track_face(driver, config.features, config.corpus.fps)
    return carried(features.pose, features.blink, source, frames)


def carried(
    pose: NDArray[np.float32], blink: NDArray[np.float32], source: Source, frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A driver's pose (m, 6) and blink (m, 2) as those of the source, for `frames` frames (see `reenact`)."""
    pose = pose.copy()
    pose[:, 3:] += source.pose[3:] - pose[0, 3:]
    blink = blink + (source.blink - blink[0])
    order = back_and_forth(len(pose), frames)
    return pose[order], np.maximum(blink[order], 0)


def generate(
    nets: Networks,
    portrait: Path,
    speech: Path,
    out: Path,
    *,
    pose_from: Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write a talking video of `portrait` saying `speech`; returns frames and seconds spent on each part.

    The sound is muxed and the file's metadata says that it is synthetic. Nothing is written on failure.
    """
    config = nets.config
    torch.set_num_threads(config.generate.threads)
    source = load_source(portrait, config)
    audio, frames = load_speech(speech, config)
    clock = time.perf_counter()
    features = encode(audio, frames, config.features.speech)
    generator = torch_generator(seed)
    if pose_from is None:
        pose, blink = sample_pose_blink(nets, source, features, generator)
    else:
        pose, blink = reenact(pose_from, source, frames, config)
    motion = sample_motion(nets, source, features, pose, blink, generator, progress=True)
    sampled = time.perf_counter()
    write_talk(config, decode(nets, source, motion), audio, out)
    return {
        "frames": frames,
        "seconds": {"motion": sampled - clock, "decode": time.perf_counter() - sampled},
        "weights": nets.hashes,
        "seed": seed,
    }


def write_talk(config: Config, frames: Iterable[NDArray[np.uint8]], audio: NDArray[np.float32], out: Path) -> None:
    """Write `frames` (S, S, 3) as they come, with sound, marked as synthetic."""
    write_video(
        out,
        frames,
        fps=config.corpus.fps,
        audio=audio,
        sample_rate=config.corpus.sample_rate,
        metadata=SYNTHETIC,
    )
