"""The benchmark of the Fréchet distance: that what it compares with is right, and what it writes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from eval.bench.__main__ import distances, main


@pytest.mark.parametrize("rows", [12, 60])
def test_every_way_gives_the_known_distance(rows: int) -> None:
    lines = distances(20, rows)
    assert [line.what for line in lines] == ["scipy sqrtm", "frechet", "frechet, root kept"]
    for line in lines:
        assert line.error is not None
        assert line.error < (1e-5 if line.what == "scipy sqrtm" else 1e-7), line


def test_the_file_has_a_line_for_each_measurement(tmp_path: Path) -> None:
    size = ["--dimension", "8", "--rows", "5", "--moments", "100"]
    assert main([*size, "--out", str(tmp_path / "bench")]) == 0
    with open(tmp_path / "bench" / "frechet.csv", encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert lines[0]["what"] == "moments in parts"
    assert float(lines[0]["peak_mb"]) > 1
    assert len(lines) == 4
    assert main(["--dimension", "1", "--out", str(tmp_path)]) == 2
