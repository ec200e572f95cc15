"""The figure of generation times, and the CSV file of every repetition."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dawn.errors import InputError
from dawn.media.csv_files import read_rows
from eval.figures.time_cost import draw_time_cost


def test_times_are_drawn_and_every_repetition_is_written(tmp_path: Path) -> None:
    timing = {
        "methods": {
            "dawn": {"value": 1.0, "low": 0.9, "high": 1.2, "n": 3},
            "sar": {"value": 1.6, "low": 1.5, "high": 1.7, "n": 3},
        },
        "seconds": {"dawn": {"a": [0.9, 1.0, 1.2]}, "sar": {"a": [1.5, 1.6, 1.7]}},
        "frames": 200,
        "device": "cpu",
        "timed": "motion",
    }
    draw_time_cost(timing, tmp_path / "figure5.png")
    assert Image.open(tmp_path / "figure5.png").size[0] > 500
    assert [(row["method"], row["seconds"]) for row in read_rows(tmp_path / "figure5.csv")][2:4] == [
        ("dawn", "1.2000"),
        ("sar", "1.5000"),
    ]
    del timing["methods"]["dawn"]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="holds no time of 'dawn'"):
        draw_time_cost(timing, tmp_path / "other.png")
