"""Correlation of a generated video's motion with that of its driver."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from eval.cli import main
from tests.support.real_clips import GRID


def test_a_video_that_moves_as_its_driver_follows_it(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver, other = (str(folders[0] / f"{name}.mpg") for name in GRID)
    shared = ["--cache", str(cache)]
    assert main(["follow", driver, driver, other, "--out", str(tmp_path / "r.csv"), *shared]) == 0
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as stream:
        same, stranger = csv.DictReader(stream)
    assert int(same["frames"]) == 75
    for signal in ("yaw", "pitch", "roll", "blink", "mouth"):
        assert float(same[signal]) == pytest.approx(1)
        assert float(stranger[signal]) < 0.8
    assert "median" in capsys.readouterr().out
    still = folders[1] / "other.mp4"
    assert main(["follow", driver, str(still), *shared]) == 2
    assert f"{still}: a face in 0 of the frames" in capsys.readouterr().err
