"""Pictures: what they show is what was made, and is beside them as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dawn.errors import InputError
from dawn.generation.styles import STYLES, style_of
from dawn.media.json_files import write_json
from dawn.media.video_writer import write_video
from eval.figures.frames import styles
from eval.figures.time_cost import time_cost


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def face(side: int) -> np.ndarray:
    """A round face with two eyes and a mouth before a wall."""
    y, x = np.mgrid[:side, :side] / side
    picture = np.full((side, side, 3), (120, 140, 170), np.uint8)
    picture[(x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.12] = (225, 180, 150)
    for cx in (0.38, 0.62):
        picture[(x - cx) ** 2 + (y - 0.42) ** 2 < 0.003] = (30, 20, 20)
    picture[(abs(x - 0.5) < 0.12) & (abs(y - 0.66) < 0.03)] = (170, 60, 60)
    grain = np.random.default_rng(0).normal(0, 2, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("side", [64, 256])
def test_a_style_changes_the_picture_and_leaves_the_face_where_it_is(name: str, side: int) -> None:
    picture = face(side)
    made = STYLES[name](picture)
    assert made.shape == picture.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, STYLES[name](picture))
    assert np.abs(made.astype(int) - picture).mean() > 1

    def spread(x: float, y: float) -> float:
        reach = 0.08 * side
        rows, columns = (slice(int(c * side - reach), int(c * side + reach)) for c in (y, x))
        return float(made[rows, columns].mean(-1).std())

    assert spread(0.38, 0.42) > 3 * spread(0.3, 0.57)  # the eye is drawn where it was, and nothing on the cheek


def test_every_style_has_its_turn() -> None:
    assert [style_of(i) for i in range(4)] == ["painting", "sketch", "cartoon", "painting"]


def test_the_picture_of_styles_takes_the_first_clip_of_each(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    for folder in ("dawn", "styled"):
        for name in names:
            write_video(tmp_path / folder / f"{name}.mp4", [face(64)] * 9, fps=25)
    for index, name in enumerate(names):
        Image.fromarray(STYLES[style_of(index)](face(64))).save(tmp_path / "styled" / f"{name}.png")
        write_json(tmp_path / "styled" / f"{name}.json", {"style": style_of(index)})
    styles(names, tmp_path / "styled", tmp_path / "dawn", tmp_path / "figure3.png", moments=4)
    assert Image.open(tmp_path / "figure3.png").size[0] > 500
    shown = rows_of(tmp_path / "figure3.csv")
    assert list(dict.fromkeys((row["style"], row["clip"]) for row in shown)) == [
        ("as it is", "a"),
        ("painting", "a"),
        ("sketch", "b"),
        ("cartoon", "c"),
    ]
    assert [row["frame"] for row in shown[:4]] == ["2", "4", "6", "8"]


def test_time_is_drawn_with_every_repetition_beside_it(tmp_path: Path) -> None:
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
    time_cost(timing, tmp_path / "figure5.png")
    assert Image.open(tmp_path / "figure5.png").size[0] > 500
    assert [(row["method"], row["seconds"]) for row in rows_of(tmp_path / "figure5.csv")][2:4] == [
        ("dawn", "1.2000"),
        ("sar", "1.5000"),
    ]
    del timing["methods"]["dawn"]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="holds no time of 'dawn'"):
        time_cost(timing, tmp_path / "other.png")
