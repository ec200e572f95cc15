"""Perturbations of known strength, for testing the sensitivity of metrics.

Strength 0 changes nothing. Perturbations are applied to decoded frames and audio, so that nothing else changes; only
``reencode`` uses a video codec.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import librosa
import numpy as np

from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.video import load_frames, probe
from dawn.media.video_writer import write_video
from dawn.seeds import numpy_generator
from eval.extract.rates import SAMPLE_RATE, SAMPLES_PER_FRAME
from eval.extract.spec import Stream
from eval.extract.video import DecodedVideo
from eval.studies.clip_list import video_path

_SEED = 0  # of the order of shuffled frames
_LOSSLESS = 0  # CRF; the halved resolution of the chroma planes remains


def read_clip(path: Path) -> DecodedVideo:
    """Read all stored frames and the audio of a clip at 25 fps into memory.

    Raises InputError for an unreadable file.
    """
    return DecodedVideo(load_frames(path), read_audio(path) if probe(path).has_audio else np.empty(0, np.float32))


@dataclass(frozen=True)
class Perturbation:
    """One perturbation: the stream that it changes, the unit of its strength, and increasing strengths from 0."""

    name: str
    stream: Stream
    unit: str
    strengths: tuple[float, ...]
    _change: Callable[[DecodedVideo, float, DecodedVideo], DecodedVideo]

    def __call__(self, clip: DecodedVideo, strength: float, other: DecodedVideo) -> DecodedVideo:
        """Return the perturbed clip, of unchanged length; `other` is a clip of another person, for ``swap``.

        Raises InputError for a strength below 0 or above the largest one.
        """
        if not 0 <= strength <= self.strengths[-1]:
            raise InputError(f"{self.name}: strengths are 0 to {self.strengths[-1]:g} ({self.unit}), got {strength:g}")
        return self._change(clip, strength, other) if strength else clip


def _blur(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    sigma = strength / 100 * min(clip.frames.shape[1:3])
    return DecodedVideo(
        np.stack([np.asarray(cv2.GaussianBlur(f, (0, 0), sigma), np.uint8) for f in clip.frames]), clip.audio
    )


def _freeze(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    count = len(clip.frames)
    last = max(1, round(count * (1 - strength / 100))) - 1
    return DecodedVideo(clip.frames[np.minimum(np.arange(count), last)], clip.audio)


def _shuffle(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    rng, count, window = numpy_generator(_SEED), len(clip.frames), round(strength)
    order = [start + rng.permutation(min(window, count - start)) for start in range(0, count, window)]
    return DecodedVideo(clip.frames[np.concatenate(order)], clip.audio)


def _reencode(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    with tempfile.TemporaryDirectory(prefix="dawn-eval-") as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, clip.frames, crf=round(strength))
        return DecodedVideo(load_frames(path), clip.audio)


def _dim(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    return DecodedVideo(np.round(clip.frames * np.float32(1 - strength / 100)).astype(np.uint8), clip.audio)


def _swap(clip: DecodedVideo, strength: float, other: DecodedVideo) -> DecodedVideo:
    count = len(clip.frames)
    kept = round(count * (1 - strength / 100))
    height, width = clip.frames.shape[1:3]
    size = (width, height)
    frames = [other.frames[k % len(other.frames)] for k in range(kept, count)]
    resized = [f if f.shape[:2] == (height, width) else np.asarray(cv2.resize(f, size), np.uint8) for f in frames]
    return DecodedVideo(np.stack([*clip.frames[:kept], *resized]), clip.audio)


def _pitch(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    if not len(clip.audio):
        return clip
    return DecodedVideo(
        clip.frames, librosa.effects.pitch_shift(clip.audio, sr=SAMPLE_RATE, n_steps=strength).astype(np.float32)
    )


def _delay(clip: DecodedVideo, strength: float, _: DecodedVideo) -> DecodedVideo:
    silence = np.zeros(round(strength * SAMPLES_PER_FRAME), np.float32)
    return DecodedVideo(clip.frames, np.concatenate([silence, clip.audio])[: len(clip.audio)])


PERTURBATIONS = {
    perturbation.name: perturbation
    for perturbation in (
        Perturbation("blur", "frames", "Gaussian sigma, % of the shorter side", (0, 0.5, 1, 2, 4), _blur),
        Perturbation("reencode", "frames", "H.264 CRF", (0, 20, 30, 40, 50), _reencode),
        Perturbation("dim", "frames", "brightness reduction, %", (0, 20, 40, 60, 80), _dim),
        Perturbation("swap", "frames", "last frames of another person, %", (0, 25, 50, 75, 100), _swap),
        Perturbation("freeze", "frames", "last frames frozen, %", (0, 25, 50, 75, 100), _freeze),
        Perturbation("shuffle", "frames", "frames in random order within windows of", (0, 2, 4, 8, 16), _shuffle),
        Perturbation("pitch", "audio", "semitones up", (0, 3, 6, 9, 12), _pitch),
        Perturbation("delay", "audio", "frames late", (0, 1, 2, 4, 8), _delay),
    )
}


def perturb_folder(name: str, strength: float, videos: Path, clips: Sequence[str], out: Path) -> None:
    """Perturb ``<videos>/<clip>.mp4`` and write ``<out>/<clip>.mp4``; the other clip of ``swap`` is the next of the
    list.

    Frames are written losslessly except for the resolution of the chroma planes, strength 0 included, so that a folder
    of strength 0 is the reference for the others. Raises InputError for an unknown name, a missing video, or an `out`
    that is the folder of the videos.
    """
    if name not in PERTURBATIONS:
        raise InputError(f"no perturbation {name!r}; known are {', '.join(PERTURBATIONS)}")
    paths = [video_path(videos, clip) for clip in clips]
    if out.resolve() == videos.resolve():
        raise InputError(f"{out}: is the folder of the videos; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    for k, clip in enumerate(clips):
        perturbed = PERTURBATIONS[name](read_clip(paths[k]), strength, read_clip(paths[(k + 1) % len(paths)]))
        audio = perturbed.audio if len(perturbed.audio) else None
        write_video(out / f"{clip}.mp4", perturbed.frames, audio=audio, crf=_LOSSLESS)
