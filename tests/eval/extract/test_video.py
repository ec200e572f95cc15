"""Decoded videos: frames at 25 per second, and sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.extract.video import decode_video


def test_frames_are_taken_25_times_a_second(video: Path) -> None:
    with decode_video(video) as decoded:
        assert decoded.frames.shape == (10, 32, 48, 3)
        assert decoded.fps == pytest.approx(50)
        assert decoded.frames[:, 16, 24, 0] == pytest.approx(np.arange(10) * 10, abs=3)
        assert len(decoded.audio) == pytest.approx(6400, abs=1024)
