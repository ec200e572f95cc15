"""The figure of head motion: what it takes from the CSV file of the traces and from the true videos' sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dawn.config import Config
from dawn.media.csv_files import write_rows
from dawn.media.video_writer import write_video
from eval.figures.traces import draw_traces, loudness


def test_loudness_is_that_of_each_frame() -> None:
    sound = np.concatenate([np.zeros(640), np.full(640, 0.5)]).astype(np.float32)
    assert loudness(sound, 2) == pytest.approx([0, 0.5])


def test_a_method_without_a_detected_face_has_a_legend_and_no_trace(tmp_path: Path) -> None:
    sound = np.sin(np.arange(9 * 640) / 9).astype(np.float32)
    write_video(tmp_path / "real" / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 9, audio=sound)
    rows = [
        ("a", "gt", frame, signal, f"{frame / 9:.4f}")
        for signal in ("yaw", "pitch", "roll", "blink")
        for frame in range(9)
    ]
    write_rows(tmp_path / "traces.csv", ("clip", "method", "frame", "signal", "value"), rows)
    out = tmp_path / "figure6.png"
    draw_traces(Config(), ["a"], ["gt", "dawn"], tmp_path / "traces.csv", tmp_path / "real", out)
    assert Image.open(out).size[0] > 500
