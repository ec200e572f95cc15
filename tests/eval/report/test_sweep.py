"""A sweep as a table: one run per row, with the settings that differ."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from dawn.comparisons import Experiments
from eval.cli import main
from eval.figures.sweep import draw_sweep
from eval.report.sweep import write_sweep
from tests.support.repository import REPOSITORY
from tests.support.scores import write_row_scores


def test_a_sweep_is_a_table_with_its_settings(experiments: Experiments) -> None:
    write_row_scores(experiments, "window", lambda k: float(k))
    write_sweep(experiments.runs, experiments.rows("window"), Path("results/sweeps/window"))
    with open("results/sweeps/window.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "fvd16"]
    assert [(row["name"], row["run"], row["generate.window"], float(row["value"])) for row in rows] == [
        ("6", "smoke-window-6", "6", 0), ("12", "smoke-window-12", "12", 1), ("24", "smoke", "24", 2),
        ("60", "smoke-window-60", "60", 3), ("none", "smoke-window-none", "none", 4),
    ]  # fmt: skip
    nested = json.loads(Path("results/sweeps/window.json").read_text())
    assert nested["none"]["changes"] == {"generate.window": None} and nested["12"]["metrics"]["fvd16"] == 1
    assert "true pose and blink" in Path("results/sweeps/window.md").read_text()
    draw_sweep(Path("results/sweeps/window.csv"), Path("results/sweeps/window.png"))
    assert Image.open("results/sweeps/window.png").size[0] > 500


def test_a_sweep_without_scores_is_an_error_that_names_the_file(
    experiments: Experiments, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(REPOSITORY / "config/smoke.yaml")
    words = [
        "sweep",
        str(REPOSITORY / "config/sweeps" / "window.csv"),
        "--config",
        config,
        "--out",
        "results/sweeps/window",
    ]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "results/smoke-window-6/scores/commanded/scores.json" in error and len(error.splitlines()) == 1
