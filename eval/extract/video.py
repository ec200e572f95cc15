"""Video decoding for measurement: any container, codec, rotation or frame rate, decoded once for all features.

Sampling rule: 25 frames per second, frame k being the stored frame whose time stamp is nearest to k / 25 s after the
first one; rotated as the file's metadata states; audio is mono at 16 kHz and begins with the first frame. Frames are
written to a temporary file, so that memory does not grow with the length of the video.
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
from eval.extract.rates import FPS, SAMPLE_RATE

RULE = "25 fps, the stored frame nearest in time; turned as the file says; mono 16 kHz from the first frame on"


@dataclass(frozen=True)
class DecodedVideo:
    """Decoded frames and audio of a video.

    frames: (N, H, W, 3) uint8 RGB at 25 fps. audio: (T,) in [-1, 1] at 16 kHz, empty without a usable audio track. fps:
    rate of the file, before resampling.
    """

    frames: NDArray[np.uint8]
    audio: NDArray[np.float32]
    fps: float = FPS


@contextlib.contextmanager
def decode_video(path: Path) -> Iterator[DecodedVideo]:
    """Decode a video within a context; its frames are deleted when the context ends.

    Raises InputError when the frames cannot be decoded or change their size, and for insufficient disk space.
    """
    stored: VideoInfo = probe(path)
    with tempfile.TemporaryFile(prefix="dawn-eval-") as file:
        shape: tuple[int, ...] | None = None
        count = 0
        try:
            for count, frame in enumerate(iter_frames(path, FPS), 1):
                if shape not in (None, frame.shape):
                    raise InputError(f"{path}: the frame size changes at frame {count - 1}; split the video there")
                shape = frame.shape
                file.write(frame.tobytes())
            file.flush()
        except OSError as error:
            raise InputError(
                f"{tempfile.gettempdir()}: not enough disk space for frames ({error.strerror}); set TMPDIR"
            ) from None
        assert shape is not None  # iter_frames raises for a video without frames
        frames = np.memmap(file, np.uint8, "r+", shape=(count, *shape))
        yield DecodedVideo(frames, _audio(path) if stored.has_audio else np.empty(0, np.float32), stored.fps)
        del frames


def _audio(path: Path) -> NDArray[np.float32]:
    try:
        return read_audio(path, SAMPLE_RATE)
    except InputError:  # damaged, or shorter than a frame
        return np.empty(0, np.float32)
