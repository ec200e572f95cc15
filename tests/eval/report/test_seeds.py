"""A run and its repetitions as one table: every level and score in each run, mean and range."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from dawn.comparisons import Experiments
from dawn.media.json_files import write_json
from dawn.paths import Paths
from eval.cli import main
from eval.report.seeds import Quantity, write_seeds
from tests.support.repository import REPOSITORY
from tests.support.scores import write_run_scores

OUT = Path("results/seeds")
RUNS = ["smoke", "smoke-seed-1", "smoke-seed-2", "smoke-threads-2"]


def level(value: float | None, passed: bool, required: float | str = 0.6) -> dict[str, Any]:
    return {"value": value, "baseline": 0.0, "baseline_is": "chance", "required": required, "passed": passed}


def write_runs(experiments: Experiments, levels: list[dict[str, Any]]) -> None:
    """Write quality.json with one element of `levels` for each run, and scores 1, 2, 3, 4."""
    for k, (row, checks) in enumerate(zip(experiments.repetitions, levels, strict=True)):
        config = experiments.runs.configs[row.run]
        passed = all(check["passed"] for check in checks.values())
        write_json(Paths.of(config).run / "quality.json", {"clips": 12, "passed": passed, **checks})
        write_run_scores(config, "dawn", k + 1.0)


def written() -> dict[str, dict[str, str]]:
    with open(OUT.with_suffix(".csv"), newline="") as stream:
        return {row["quantity"]: row for row in csv.DictReader(stream)}


def test_every_level_and_score_has_the_value_of_each_run_mean_and_range(experiments: Experiments) -> None:
    values = [0.5, 0.75, 0.875, 0.625]
    write_runs(experiments, [{"gaze": level(value, value >= 0.6), "depth": level(2, True, 1.5)} for value in values])
    write_seeds(experiments, OUT)
    rows = written()
    assert list(rows) == ["depth", "gaze", *experiments.runs.base.evaluate.metrics]
    gaze = rows["gaze"]
    assert [float(gaze[run]) for run in RUNS] == values
    assert [float(gaze[name]) for name in ("mean", "lowest", "highest", "required")] == [0.6875, 0.5, 0.875, 0.6]
    assert (gaze["passed"], gaze["runs"], rows["depth"]["passed"]) == ("3", "4", "4")
    fvd = rows["fvd16"]
    assert [fvd[name] for name in (*RUNS, "mean", "lowest", "highest")] == ["1", "2", "3", "4", "2.5", "1", "4"]
    assert (fvd["required"], fvd["passed"]) == ("", "")


def test_the_page_states_failed_levels_and_what_differs_between_the_runs(experiments: Experiments) -> None:
    gaze = {"gaze": level(0.7, True)}
    write_runs(experiments, [gaze | {"depth": level(k, k > 1, "above the baseline")} for k in (1, 2, 1, 2)])
    write_seeds(experiments, OUT)
    lines = OUT.with_suffix(".md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    cells = {name: texts for name, *texts in table}
    assert cells["Quantity"][:4] == ["Seed 1234", "Seed 1", "Seed 2", "Seed 1234, threads 2"]
    assert cells["depth"] == ["1", "2", "1", "2", "1.5", "1", "2", "above the baseline", "2 of 4"]
    assert cells["gaze"][-1] == "4 of 4" and cells["FVD16 ↓"][-2:] == ["-", "-"]
    assert "- Runs in which every level is passed: 2 of 4." in lines
    assert any(line.startswith("- Seed 2: run smoke-seed-2, which differs in seed 2,") for line in lines)
    assert any("run smoke-threads-2, which differs in lfg.train.threads 2" in line for line in lines)


@pytest.mark.parametrize("lacking", [{}, {"gaze": level(None, False)}, {"gaze": level(float("nan"), False)}])
def test_a_level_that_one_run_lacks_has_no_mean_and_is_not_passed_there(
    experiments: Experiments, lacking: dict[str, Any]
) -> None:
    checks = {"gaze": level(0.7, True)}
    write_runs(experiments, [checks, checks, lacking, checks])
    write_seeds(experiments, OUT)
    row = written()["gaze"]
    assert [row[run] for run in RUNS] == ["0.7", "0.7", "", "0.7"]
    assert [row[name] for name in ("mean", "lowest", "highest", "passed", "runs")] == ["", "", "", "3", "4"]
    assert "every level is passed: 3 of 4." in OUT.with_suffix(".md").read_text()


def test_levels_that_depend_on_the_run_are_all_named(experiments: Experiments) -> None:
    write_runs(experiments, [{"gaze": level(1, True, required)} for required in (0.5, 0.5, 0.25, 0.5)])
    gaze, *_ = write_seeds(experiments, OUT)
    assert gaze == Quantity("gaze", "gaze", (1, 1, 1, 1), required="0.5 or 0.25", passed=(True,) * 4)


@pytest.mark.parametrize("missing", ["quality.json", "scores/dawn/scores.json"])
def test_a_run_without_results_is_one_line_that_names_the_file(
    experiments: Experiments, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(experiments, [{"gaze": level(0.7, True)}] * 4)
    absent = Path("results/smoke-seed-2") / missing
    absent.unlink()
    words = ["--config", str(REPOSITORY / "config/smoke.yaml"), "--sweeps", str(REPOSITORY / "config/sweeps")]
    assert main(["seeds", *words, "--out", str(OUT)]) == 2
    error = capsys.readouterr().err
    assert f"{absent}: no such file" in error and len(error.splitlines()) == 1
    assert not list(OUT.parent.glob("seeds*"))


def test_a_file_that_is_no_report_is_named(experiments: Experiments, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(experiments, [{"gaze": level(0.7, True)}] * 4)
    write_json("results/smoke/quality.json", [1])
    assert main(["seeds", "--config", str(REPOSITORY / "config/smoke.yaml"), "--out", str(OUT)]) == 2
    assert "results/smoke/quality.json: not a report of 'dawn-eval quality'" in capsys.readouterr().err
