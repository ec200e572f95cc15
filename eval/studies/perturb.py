"""Known damage of known strength: what a metric is for can be seen by doing it to true videos.

Every perturbation takes strength 0, which changes nothing, and rising ones. It works on decoded frames and sound, so
that nothing else happens to them on the way; only ``reencode`` is what a video codec does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import librosa
import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.video import load_frames, probe
from dawn.media.video_writer import write_video
from dawn.seeds import numpy_generator
from eval.extract.clip_list import video_path
from eval.metrics.lse import SAMPLES

_SEED = 0  # of the order of shuffled frames
_RATE = 16000
_LOSSLESS = 0  # CRF; what remains is the chroma's halved resolution


@dataclass(frozen=True)
class Clip:
    """frames (N, H, W, 3) uint8 RGB at 25 fps and audio (T,) at 16 kHz, empty for none."""

    frames: NDArray[np.uint8]
    audio: NDArray[np.float32]

    @classmethod
    def read(cls, path: Path) -> Clip:
        """Raises InputError when the file cannot be used as a video."""
        return cls(load_frames(path), read_audio(path) if probe(path).has_audio else np.empty(0, np.float32))


@dataclass(frozen=True)
class Perturbation:
    """One kind of damage. `part` is what it touches, `strengths` rise from 0, in `unit`."""

    name: str
    part: Literal["picture", "sound"]
    unit: str
    strengths: tuple[float, ...]
    _change: Callable[[Clip, float, Clip], Clip]

    def __call__(self, clip: Clip, strength: float, other: Clip) -> Clip:
        """The damaged clip, as long as it was; `other` is a clip of somebody else, for those that need one.

        Raises InputError for a strength outside 0 ... the largest that is declared.
        """
        if not 0 <= strength <= self.strengths[-1]:
            raise InputError(f"{self.name}: strengths are 0 to {self.strengths[-1]:g} ({self.unit}), got {strength:g}")
        return self._change(clip, strength, other) if strength else clip


def _blur(clip: Clip, strength: float, _: Clip) -> Clip:
    sigma = strength / 100 * min(clip.frames.shape[1:3])
    return Clip(np.stack([np.asarray(cv2.GaussianBlur(f, (0, 0), sigma), np.uint8) for f in clip.frames]), clip.audio)


def _freeze(clip: Clip, strength: float, _: Clip) -> Clip:
    count = len(clip.frames)
    last = max(1, round(count * (1 - strength / 100))) - 1
    return Clip(clip.frames[np.minimum(np.arange(count), last)], clip.audio)


def _shuffle(clip: Clip, strength: float, _: Clip) -> Clip:
    rng, count, window = numpy_generator(_SEED), len(clip.frames), round(strength)
    order = [start + rng.permutation(min(window, count - start)) for start in range(0, count, window)]
    return Clip(clip.frames[np.concatenate(order)], clip.audio)


def _reencode(clip: Clip, strength: float, _: Clip) -> Clip:
    with tempfile.TemporaryDirectory(prefix="dawn-eval-") as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, clip.frames, crf=round(strength))
        return Clip(load_frames(path), clip.audio)


def _dim(clip: Clip, strength: float, _: Clip) -> Clip:
    return Clip(np.round(clip.frames * np.float32(1 - strength / 100)).astype(np.uint8), clip.audio)


def _swap(clip: Clip, strength: float, other: Clip) -> Clip:
    count = len(clip.frames)
    kept = round(count * (1 - strength / 100))
    height, width = clip.frames.shape[1:3]
    size = (width, height)
    theirs = [other.frames[k % len(other.frames)] for k in range(kept, count)]
    fitted = [f if f.shape[:2] == (height, width) else np.asarray(cv2.resize(f, size), np.uint8) for f in theirs]
    return Clip(np.stack([*clip.frames[:kept], *fitted]), clip.audio)


def _pitch(clip: Clip, strength: float, _: Clip) -> Clip:
    if not len(clip.audio):
        return clip
    return Clip(clip.frames, librosa.effects.pitch_shift(clip.audio, sr=_RATE, n_steps=strength).astype(np.float32))


def _delay(clip: Clip, strength: float, _: Clip) -> Clip:
    silence = np.zeros(round(strength * SAMPLES), np.float32)
    return Clip(clip.frames, np.concatenate([silence, clip.audio])[: len(clip.audio)])


PERTURBATIONS = {
    one.name: one
    for one in (
        Perturbation("blur", "picture", "Gaussian sigma, % of the shorter side", (0, 0.5, 1, 2, 4), _blur),
        Perturbation("reencode", "picture", "H.264 CRF", (0, 20, 30, 40, 50), _reencode),
        Perturbation("dim", "picture", "light taken away, %", (0, 20, 40, 60, 80), _dim),
        Perturbation("swap", "picture", "last frames of somebody else, %", (0, 25, 50, 75, 100), _swap),
        Perturbation("freeze", "picture", "last frames held, %", (0, 25, 50, 75, 100), _freeze),
        Perturbation("shuffle", "picture", "frames in random order within windows of", (0, 2, 4, 8, 16), _shuffle),
        Perturbation("pitch", "sound", "semitones up", (0, 3, 6, 9, 12), _pitch),
        Perturbation("delay", "sound", "frames late", (0, 1, 2, 4, 8), _delay),
    )
}


def perturb_folder(name: str, strength: float, videos: Path, clips: Sequence[str], out: Path) -> None:
    """``<videos>/<clip>.mp4`` -> ``<out>/<clip>.mp4``, damaged; each clip's `other` is the next of the list.

    Frames are written without loss but for the chroma's resolution, strength 0 included, so that a folder of strength 0
    is what the others are read against. Raises InputError for an unknown name or a missing video.
    """
    if name not in PERTURBATIONS:
        raise InputError(f"no perturbation {name!r}; there are {', '.join(PERTURBATIONS)}")
    paths = [video_path(videos, clip) for clip in clips]
    if out.resolve() == videos.resolve():
        raise InputError(f"{out}: holds the videos themselves; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    for k, clip in enumerate(clips):
        damaged = PERTURBATIONS[name](Clip.read(paths[k]), strength, Clip.read(paths[(k + 1) % len(paths)]))
        audio = damaged.audio if len(damaged.audio) else None
        write_video(out / f"{clip}.mp4", damaged.frames, audio=audio, crf=_LOSSLESS)
