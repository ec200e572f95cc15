"""Comparison of two reports on the clips that both have."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from eval.cli import main
from eval.studies.compare import compare
from eval.studies.metric_report import Report


def test_methods_are_compared_on_the_same_clips(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["--cache", str(cache)]
    for name, fake in (("a", folders[0]), ("b", folders[1])):
        metrics = "fd_efficientnet,blink,dr25_efficientnet" + (",bas" if name == "a" else "")
        arguments = [str(folders[0]), str(fake), "--metrics", metrics, "--resamples", "20", *shared]
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    out = tmp_path / "differences.csv"
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out), *shared]) == 0
    assert "bas: not compared, in the second report: not requested" in capsys.readouterr().out
    with open(out, encoding="utf-8", newline="") as stream:
        rows = {row["metric"]: row for row in csv.DictReader(stream)}
    assert float(rows["fd_efficientnet"]["first"]) == pytest.approx(0, abs=1e-6)
    assert float(rows["fd_efficientnet"]["difference"]) < -10
    assert rows["fd_efficientnet"]["better"] == "cannot tell"  # without the still one nothing differs
    assert rows["fd_efficientnet"]["n"] == "2"  # the unreadable one is in neither
    assert rows["blink"]["n"] == "1"  # one clip has a face in both
    assert (rows["dr25_efficientnet"]["n"], float(rows["dr25_efficientnet"]["difference"])) == ("1", 0)
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    report["metrics"]["blink"]["parts"]["mesh"]["weights"]["face-landmarker"] = "0" * 64
    (tmp_path / "b" / "report.json").write_text(json.dumps(report))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), *shared]) == 2
    assert "blink: the two reports differ in weights of mesh" in capsys.readouterr().err


def test_the_better_of_two_is_nearer_to_the_true_clips(tmp_path: Path) -> None:
    """By the clips that count in both, and the true values of just these."""
    settings = {
        "code": "",
        "versions": {},
        "decoder": "",
        "seed": 0,
        "resamples": 200,
        "coverage": 0.95,
        "detect_side": 0,
    }
    reports = [
        Report(
            {
                "made": settings,
                "metrics": {"blink": {"parts": {}}},
                "clips": [
                    {"clip": str(k), "real": "r", "fake": "f", "real_sha256": "", "blink": a, "blink_true": true}
                    for k, (a, true) in enumerate(zip(values, (1.0, 1.2, 1.1, 9.0), strict=True))
                ],
            }
        )
        for values in ((1.0, 1.1, 1.2, 9.0), (2.0, 2.3, 2.1, None))
    ]
    (found,) = compare(*reports, cache=tmp_path).differences
    assert (found.n, found.better) == (3, "first")
    assert found.difference == pytest.approx((1.0 + 1.1 + 1.2 - 2.0 - 2.3 - 2.1) / 3)
    (swapped,) = compare(*reversed(reports), cache=tmp_path).differences
    assert swapped.better == "second"
