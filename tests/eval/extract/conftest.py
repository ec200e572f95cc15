"""A short video for the tests of extraction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.media.video_writer import write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = [np.full((32, 48, 3), 5 * k, np.uint8) for k in range(20)]
    write_video(tmp_path / "a.mp4", frames, fps=50, audio=np.zeros(6400, np.float32))
    return tmp_path / "a.mp4"
