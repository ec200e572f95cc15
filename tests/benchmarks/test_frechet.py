"""The benchmark of the Fréchet distance: that what it compares with is right, and what it writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.frechet import distances
from dawn.media.video_writer import write_video


@pytest.mark.parametrize("rows", [12, 60])
def test_every_way_gives_the_known_distance(rows: int) -> None:
    lines = distances(20, rows)
    assert [line.what for line in lines] == ["scipy sqrtm", "frechet", "frechet, root kept"]
    for line in lines:
        assert line.error is not None
        assert line.error < (1e-5 if line.what == "scipy sqrtm" else 1e-7), line


def test_the_file_has_a_line_for_each_measurement(tmp_path: Path) -> None:
    size = ["frechet", "--dimension", "256", "--rows", "5", "--moments", "9000"]
    assert main([*size, "--out", str(tmp_path / "bench")]) == 0
    with open(tmp_path / "bench" / "frechet.csv", encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert lines[0]["what"] == "moments in parts"
    assert 1 < float(lines[0]["peak_mb"]) < 100  # the first part of 4096 rows alone has 4
    assert len(lines) == 4
    assert main(["frechet", "--dimension", "1", "--out", str(tmp_path)]) == 2


def test_the_suite_is_timed_alone_together_and_again(tmp_path: Path) -> None:
    frames = [np.full((48, 48, 3), 9 * k, np.uint8) for k in range(12)]
    for name in ("real/a", "real/b", "fake/a", "fake/b"):
        write_video(tmp_path / f"{name}.mp4", frames, fps=25)
    arguments = ["suite", str(tmp_path / "real"), str(tmp_path / "fake"), "--metrics", "fd_efficientnet"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    with open(tmp_path / "suite.csv", encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["what"].split(",")[0] for line in lines] == [
        "fd_efficientnet alone", "all alone", "all together", "all together again"
    ]  # fmt: skip
    assert main([*arguments, "--metrics", "lse_d_own", "--out", str(tmp_path)]) == 2  # without a SyncNet
