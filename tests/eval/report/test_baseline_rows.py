"""Rows of baselines in the tables."""

from __future__ import annotations

import json
from pathlib import Path

from dawn.config import Config
from eval.metrics.registry import METRICS
from eval.report.tables import grouped, ranking, read_table, write_table1
from tests.support.baselines import CONFIG
from tests.support.scores import write_scores
from tests.support.stand_ins import STAND_INS


def _scores(folder: Path, method: str, config: Config, value: float) -> Path:
    entry = {"value": value, "low": value - 1, "high": value + 1, "n": 2, "backbone": "test"}
    return write_scores(folder, config, method, {"bas": entry} if method == "gt" else {"fvd16": entry, "bas": entry})


def test_a_baseline_adds_its_measured_row_and_no_other(tmp_path: Path) -> None:
    values = {"gt": 5, "still": 1, "wav2lip": 2, "sadtalker": 9, "hallo": 6, "dawn": 7}
    scores = {name: _scores(tmp_path / name, name, CONFIG, value) for name, value in values.items()}
    write_table1(CONFIG, scores, tmp_path / "with")
    without = {name: folder for name, folder in scores.items() if name != "sadtalker"}
    write_table1(CONFIG, without, tmp_path / "without")
    lines = (tmp_path / "with.csv").read_text().splitlines()
    gone = set(lines) - set((tmp_path / "without.csv").read_text().splitlines())
    assert (
        gone == {line for line in lines if line.startswith(f"{CONFIG.corpus.name},sadtalker,ours,")} and len(gone) == 2
    )
    papers = {cell.method for cell in read_table(tmp_path / "without.csv") if cell.source == "paper"}
    assert set(STAND_INS) <= papers
    text = (tmp_path / "with.md").read_text()
    rows = {line.split(" | ")[1]: line for line in text.splitlines() if line.startswith(f"| {CONFIG.corpus.name} |")}
    assert "**6.0** [5.0, 7.0]" in rows["Hallo"] and "<u>7.0</u> [6.0, 8.0]" in rows["DAWN"]
    assert not any("**" in rows[name] or "<u>" in rows[name] for name in ("Wav2Lip", "Still image", "True videos"))
    assert "- Wav2Lip: moves the lips" in text
    latex = (tmp_path / "with.tex").read_text()
    assert r"\textbf{6.0} {\scriptsize [5.0, 7.0]}" in latex and r"\underline{7.0}" in latex
    assert json.loads((tmp_path / "with.json").read_text()).keys() == scores.keys()


def test_the_papers_rows_are_ranked_as_in_the_paper(tmp_path: Path) -> None:
    scores = {"gt": _scores(tmp_path / "gt", "gt", CONFIG, 1)}
    by_block = grouped(write_table1(CONFIG, scores, tmp_path / "t"))
    second = {
        ("crema", method, metric)
        for (method, metric), rank in ranking(by_block["paper", "crema"], list(METRICS.values())).items()
        if rank == 2
    } | {
        ("hdtf", method, metric)
        for (method, metric), rank in ranking(by_block["paper", "hdtf"], list(METRICS.values())).items()
        if rank == 2
    }
    printed = {
        ("crema", "sadtalker", "lse_c"),
        ("crema", "dawn", "blink_per_s"),
        ("hdtf", "hallo", "fid"),
        ("hdtf", "dawn", "fvd16"),
        ("hdtf", "hallo", "fvd32"),
        ("hdtf", "audio2head", "lse_c"),
        ("hdtf", "dawn", "lse_d"),
        ("hdtf", "sadtalker", "blink_per_s"),
    }
    assert printed <= second
    assert not any(method == "wav2lip" for _, method, _ in second)
