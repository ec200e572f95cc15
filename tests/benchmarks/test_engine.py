"""The benchmarks of generation and training."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks import cost
from benchmarks import training as bench_training
from benchmarks.__main__ import main
from dawn.config import load
from dawn.schedules import total_steps

ROUNDING = 1e-4  # largest difference, in units of the largest number


def test_the_benchmark_measures_both_paths(tmp_path: Path) -> None:
    command = ["engine", "--only", "pass", "--frames", "2", "--threads", "1", "--repeat", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    table = pd.read_csv(tmp_path / "pass.csv")
    assert list(table.frames) == [2]
    assert table.engine_seconds[0] > 0 and table.engine_peak_mib[0] > 100
    assert table.largest_difference[0] < ROUNDING and table.plain_seconds[0] > 0
    assert (tmp_path / "pass.png").read_bytes().startswith(b"\x89PNG")


def test_both_training_steps_of_the_benchmark_have_one_loss() -> None:
    losses = [
        float(bench_training.loss(bench_training.task_of(path, "config/smoke.yaml", everywhere=True), 0).detach())
        for path in ("engine", "plain")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=ROUNDING)
    assert bench_training.step("engine", "config/smoke.yaml", 1, False, torch.device("cpu")) > 0


def test_operations_of_a_training_are_those_of_its_samples() -> None:
    config = load("config/smoke.yaml")
    short, long = (cost.operations(config, "a2v_stage2", frames) for frames in (4, 8))
    assert short == pytest.approx(long, rel=0.15)  # taken as proportional to frames beyond what is counted
    rows = cost.cost(config, clips=12, frames=4, tflops=2.0).set_index("stage")
    stage = rows.loc["a2v_stage2"]
    assert stage.eflop * 1e18 == pytest.approx(short * config.a2v.stage2.batch * total_steps(config.a2v.stage2, 12))
    assert rows.loc["all"].gpu_hours == pytest.approx(rows.eflop[:-1].sum() * 1e18 / 2e12 / 3600)
