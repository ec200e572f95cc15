"""Figures of video frames, and the CSV files that list what they show."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from dawn.generation.styles import STYLES, style_of
from dawn.media.csv_files import read_rows
from dawn.media.json_files import write_json
from dawn.media.video_writer import write_video
from eval.figures.frames import styles
from tests.support.pictures import drawn_face


def test_the_picture_of_styles_takes_the_first_clip_of_each(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    for folder in ("dawn", "styled"):
        for name in names:
            write_video(tmp_path / folder / f"{name}.mp4", [drawn_face(64)] * 9, fps=25)
    for index, name in enumerate(names):
        Image.fromarray(STYLES[style_of(index)](drawn_face(64))).save(tmp_path / "styled" / f"{name}.png")
        write_json(tmp_path / "styled" / f"{name}.json", {"style": style_of(index)})
    styles(names, tmp_path / "styled", tmp_path / "dawn", tmp_path / "figure3.png", moments=4)
    assert Image.open(tmp_path / "figure3.png").size[0] > 500
    shown = read_rows(tmp_path / "figure3.csv")
    assert list(dict.fromkeys((row["style"], row["clip"]) for row in shown)) == [
        ("unstyled", "a"),
        ("painting", "a"),
        ("sketch", "b"),
        ("cartoon", "c"),
    ]
    assert [row["frame"] for row in shown[:4]] == ["2", "4", "6", "8"]
