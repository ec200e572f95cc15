"""The benchmarks of generation and training."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks import engine, operations
from benchmarks import training as bench_training
from benchmarks.__main__ import main
from dawn.config import load
from dawn.plan.measurements import read_steps
from dawn.stages import schedule_of, stages_of

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


@pytest.mark.parametrize(("stage", "frames"), [("lfg", {2}), ("pbnet", {32}), ("a2v_stage2", set(range(8, 13)))])
def test_every_stage_has_a_measured_step(stage: str, frames: set[int]) -> None:
    seconds, of_sample = bench_training.stage_step(stage, "config/smoke.yaml", torch.float32, 1, torch.device("cpu"))
    assert seconds > 0 and of_sample in frames


def test_a_plan_reads_the_table_of_the_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"seconds": 0.25, "frames": 3, "peak_mib": 2048, "device": "NVIDIA H200"}
    monkeypatch.setattr(engine, "_child", lambda options, task: measured)
    command = ["engine", "--only", "stages", "--device", "cpu", "--stages", "config/smoke.yaml", "--out", str(tmp_path)]
    assert main(command) == 0
    steps = read_steps(tmp_path / "stages.csv")
    config = load("config/smoke.yaml")
    assert [step.stage for step in steps] == list(stages_of(config))
    for step in steps:
        assert (step.seconds, step.frames, step.peak_gib, step.device) == (0.25, 3, 2.0, "NVIDIA H200")
        assert (step.side, step.batch) == (config.corpus.resolution, schedule_of(config, step.stage).batch)


def test_operations_of_a_training_are_those_of_its_samples() -> None:
    config = load("config/smoke.yaml")
    (short, few), (long, many) = (operations.operations(config, "a2v_stage2", frames) for frames in (4, 8))
    assert short == pytest.approx(long, rel=0.15)  # taken as proportional to frames beyond what is counted
    assert 1000 < few < 10000 and 1000 < many < 10000
    table = operations.by_stage(config, 4).set_index("stage")
    assert list(table.index) == [*stages_of(config), "syncnet"]
    assert table.loc["a2v_stage2"].gflop_a_sample * 1e9 == pytest.approx(short)
