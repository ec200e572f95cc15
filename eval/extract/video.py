"""One video, decoded once for everything that measures it, whatever container, codec, rotation or frame rate it has.

The rule: frames are taken at 25 a second, frame k the stored one whose time stamp is nearest to k / 25 s after the
first; they are turned as the file says; sound is mono at 16 kHz and begins with the first frame. Frames lie in a
temporary file, so that long videos need no more memory than short ones.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.video import VideoInfo, iter_frames, probe

FPS = 25
SAMPLE_RATE = 16000
RULE = "25 fps, the stored frame nearest in time; turned as the file says; mono 16 kHz from the first frame on"


@dataclass(frozen=True)
class Footage:
    """frames (N, H, W, 3) uint8 RGB at 25 fps; audio (T,) at 16 kHz, empty when the file has no usable sound."""

    frames: NDArray[np.uint8]
    audio: NDArray[np.float32]
    stored: VideoInfo


@contextlib.contextmanager
def footage(path: Path) -> Iterator[Footage]:
    """The decoded video; its frames are gone afterwards. Raises InputError when the picture cannot be read."""
    stored = probe(path)
    with tempfile.TemporaryFile(prefix="dawn-eval-") as file:
        shape: tuple[int, ...] | None = None
        count = 0
        try:
            for count, frame in enumerate(iter_frames(path, FPS), 1):
                if shape not in (None, frame.shape):
                    raise InputError(f"{path}: the picture changes its size at frame {count - 1}; measure its parts")
                shape = frame.shape
                file.write(frame.tobytes())
            file.flush()
        except OSError as error:
            raise InputError(f"{tempfile.gettempdir()}: no room for frames ({error.strerror}); set TMPDIR") from None
        assert shape is not None  # iter_frames raises for a video without frames
        frames = np.memmap(file, np.uint8, "r+", shape=(count, *shape))
        yield Footage(frames, _sound(path) if stored.has_audio else np.empty(0, np.float32), stored)
        del frames


def _sound(path: Path) -> NDArray[np.float32]:
    try:
        return read_audio(path, SAMPLE_RATE)
    except InputError:  # damaged, or less than a frame of it
        return np.empty(0, np.float32)
