"""Writing of generated videos with sound, marked as synthetic."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dawn.config import Config
from dawn.version import VERSION

SYNTHETIC = {
    "title": "Synthetic talking head",
    "comment": "AI-generated: this video is synthetic and shows speech that the pictured person did not give",
    "synthetic": "true",
    "software": f"dawn {VERSION}",
}


def write_synthetic(
    path: str | os.PathLike[str], frames: Iterable[NDArray[np.uint8]], audio: NDArray[np.float32], config: Config
) -> None:
    """Write frames (S, S, 3) uint8 RGB as they are generated, with sound (T,), as an MP4 with :data:`SYNTHETIC`.

    Memory does not grow with length. Nothing is written on failure.
    """
    from dawn.media.video_writer import write_video

    write_video(
        path,
        frames,
        fps=config.corpus.fps,
        audio=audio,
        sample_rate=config.corpus.sample_rate,
        metadata=SYNTHETIC,
    )
