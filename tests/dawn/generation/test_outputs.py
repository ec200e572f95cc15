"""Writing of generated videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dawn.generation.outputs import write_synthetic
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from tests.support.networks import config


def test_generated_frames_lose_less_by_coding_than_recorded_ones(tmp_path: Path) -> None:
    """A metric of generated frames must measure the networks, not the encoder."""
    texture = np.random.default_rng(0).integers(96, 160, (64, 64, 1)).repeat(3, axis=2).astype(np.uint8)
    frames = np.stack([np.roll(texture, shift, axis=1) for shift in range(25)])
    sound = np.zeros(16000, np.float32)
    write_synthetic(tmp_path / "generated.mp4", frames, sound, config())
    write_video(tmp_path / "recorded.mp4", frames, audio=sound)
    loss = {p.stem: np.abs(load_frames(p).astype(int) - frames).mean() for p in tmp_path.glob("*.mp4")}
    assert loss["generated"] < 0.8 * loss["recorded"]
