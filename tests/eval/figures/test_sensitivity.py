"""The figure of the metrics' response to perturbations, from its CSV file alone."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from dawn.media.csv_files import write_rows
from eval.figures.sensitivity import draw_sensitivity

COLUMNS = ("perturbation", "unit", "strength", "metric", "value", "low", "high", "clips", "expected", "verdict")


def test_perturbations_have_rows_of_panels(tmp_path: Path) -> None:
    curves = {"blur": (("fvd16", "up", "monotone"), ("csim_dlib", "down", "not monotone, 1 of 2 steps back")),
              "delay": (("offset_own", "down", "not measured"),)}  # fmt: skip
    rows = [
        (perturbation, "%", strength, metric, value, value and value - 1, value and value + 1, 3, expected, verdict)
        for perturbation, panels in curves.items()
        for metric, expected, verdict in panels
        for strength, value in ((0, 1.0), (2, 2.0), (4, None if perturbation == "delay" else 1.5))
    ]
    write_rows(tmp_path / "sensitivity.csv", COLUMNS, rows)
    out = tmp_path / "sensitivity.png"
    draw_sensitivity(tmp_path / "sensitivity.csv", out)
    assert Image.open(out).size == (int(3.1 * 2 * 150), int(1.75 * 2 * 150))
