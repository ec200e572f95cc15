"""Writing of generated videos with sound, marked as synthetic."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dawn.config import Config
from dawn.version import VERSION

if TYPE_CHECKING:
    from dawn.media.video_writer import VideoWriter

SYNTHETIC = {
    "title": "Synthetic talking head",
    "comment": "AI-generated: this video is synthetic and shows speech that the pictured person did not give",
    "synthetic": "true",
    "software": f"dawn {VERSION}",
}


def write_synthetic(
    path: str | os.PathLike[str], frames: Iterable[NDArray[np.uint8]], audio: NDArray[np.float32], config: Config
) -> None:
    """Write frames (S, S, 3) uint8 RGB as they are generated, with sound (T,), as :func:`open_synthetic` does."""
    with open_synthetic(path, audio, config) as video:
        for frame in frames:
            video.write(frame)


def open_synthetic(
    path: str | os.PathLike[str], audio: NDArray[np.float32], config: Config
) -> contextlib.AbstractContextManager[VideoWriter]:
    """Open an MP4 with sound (T,) and :data:`SYNTHETIC` for frames (S, S, 3) uint8 RGB.

    Memory does not grow with length. Nothing is written on failure.
    """
    from dawn.media.video_writer import open_video

    return open_video(
        path, fps=config.corpus.fps, audio=audio, sample_rate=config.corpus.sample_rate, metadata=SYNTHETIC
    )
