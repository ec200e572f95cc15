"""Steps of every stage in every precision, on the GPU where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dawn import precision
from dawn.choices import Precision
from dawn.config import Config, ValidationSchedule, load
from dawn.models.build import build_flow_generator
from dawn.stages import clips_of, schedule_of
from dawn.training.a2v import A2vTask
from dawn.training.distributed import Distributed
from dawn.training.lfg import LfgTask
from dawn.training.loop import train
from dawn.training.pbnet import PbnetTask
from dawn.training.task import Task
from dawn.training.ttr import DenseTask
from tests.support.clips import InMemoryClips
from tests.support.repository import REPOSITORY

STAGES = ("lfg", "pbnet", "a2v_stage1", "a2v_stage2", "ttr_dense")


def _task(config: Config, stage: str, steps: int) -> Task:
    clips = InMemoryClips(config, 40)
    torch.manual_seed(0)
    if stage == "lfg":
        return LfgTask(config, clips, steps)
    if stage == "pbnet":
        return PbnetTask(config, clips, steps)
    task = DenseTask if stage == "ttr_dense" else A2vTask
    return task(config, clips_of(config, stage), clips, build_flow_generator(config))


def _train(
    stage: str, products: Precision, steps: int, out: Path, compiled: bool = False, validated: bool = False
) -> list[dict[str, float]]:
    config = load(REPOSITORY / "config/smoke.yaml")
    stage1 = config.a2v.stage1.model_copy(update={"compile": compiled})
    config = config.model_copy(update={"a2v": config.a2v.model_copy(update={"stage1": stage1})})
    validation = ValidationSchedule(every=1, batches=2) if validated else None
    changes = {"precision": products, "log_every": 1, "batch": 2, "validation": validation}
    schedule = schedule_of(config, stage).model_copy(update=changes)
    train(
        _task(config, stage, steps),
        Distributed(),
        stage=stage,
        schedule=schedule,
        total=steps,
        out=out,
        seed=1,
        fingerprint="x",
        config="{}",
        validation_task=_task(config, stage, steps) if validated else None,
    )
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_trains_in_bfloat16_near_float32(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_fast_bfloat16", lambda: True)
    exact, lower = (_train(stage, products, 2, tmp_path / products) for products in ("exact", "bfloat16"))
    for one, two in zip(exact, lower, strict=True):
        assert one["skipped"] == two["skipped"] == 0
        losses = set(one) - {"step", "seconds", "lr", "grad_norm", "skipped", "waiting"}
        totals = [sum(record[name] for name in losses) for record in (one, two)]
        assert totals[1] == pytest.approx(totals[0], rel=0.02)
    assert exact != lower


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_validates_without_changing_its_steps(stage: str, tmp_path: Path) -> None:
    plain = _train(stage, "exact", 2, tmp_path / "plain")
    first, *validated = _train(stage, "exact", 2, tmp_path / "validated", validated=True)
    for record, expected in zip(validated, plain, strict=True):
        steps = {name: record[name] for name in expected if name not in ("seconds", "waiting")}
        assert steps.items() <= expected.items()
    for record in (first, *validated):
        losses = {name: value for name, value in record.items() if name.startswith("validation/")}
        compared = [value for name, value in losses.items() if "/gan" not in name]
        assert record["validation"] == pytest.approx(sum(compared), rel=1e-6)
        assert (len(compared) < len(losses)) == (stage == "pbnet")  # its discriminator trains with it
    assert len({record["validation"] for record in (first, *validated)}) == 3


@pytest.mark.gpu
@pytest.mark.parametrize("products", ["exact", "tf32", "bfloat16"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_takes_ten_steps_on_a_gpu(stage: str, products: Precision, tmp_path: Path) -> None:
    records = _train(stage, products, 10, tmp_path)
    assert records[-1]["step"] == 10 and records[-1]["skipped"] == 0
    again = _train(stage, products, 12, tmp_path)  # continues from the checkpoint of step 10
    assert [record["step"] for record in again] == list(range(1, 13))


@pytest.mark.gpu
def test_a_compiled_stage_trains_like_the_plain_one_on_a_gpu(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain, compiled = (
        _train("a2v_stage1", "exact", 10, tmp_path / str(compiles), compiles) for compiles in (False, True)
    )
    assert "does not compile" not in capfd.readouterr().err
    for one, two in zip(plain, compiled, strict=True):
        assert two["simple"] == pytest.approx(one["simple"], rel=1e-3)
