"""Steps whose gradient is not finite: skipped, counted, and the end of a training that cannot go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dawn.errors import InputError
from dawn.training.batch_shard import BatchShard
from dawn.training.distributed import Distributed
from dawn.training.loop import train
from tests.support.toy_training import SETTINGS, Toy, ToyBatch, save


class Bad(Toy):
    """Toy whose losses are infinite at the steps `bad`, with generated samples that spoil batch statistics."""

    def __init__(self, *bad: int) -> None:
        super().__init__()
        self.bad = bad

    def loss(self, batch: ToyBatch, shard: BatchShard, group: int) -> dict[str, torch.Tensor]:
        losses = super().loss(batch, shard, group)
        if shard.step not in self.bad:
            return losses
        self.networks["generator"](torch.full((4, 3), torch.inf))
        return {name: value / 0 for name, value in losses.items()}


def _train(task: Toy, out: Path) -> list[dict[str, float]]:
    save(out, train(task, Distributed(), out=out, fingerprint="x", **SETTINGS))
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_bad_step_leaves_everything_as_it_was(tmp_path: Path) -> None:
    _train(Bad(59), tmp_path / "skipped")  # the last step
    _train(Bad(), tmp_path / "whole")
    skipped, whole = (load_file(tmp_path / name / "weights.safetensors") for name in ("skipped", "whole"))
    assert all(torch.isfinite(value).all() for value in skipped.values())
    assert any(not torch.equal(value, skipped[name]) for name, value in whole.items())
    records = _train(Bad(20, 21), tmp_path / "counted")
    assert records[-1]["skipped"] == 2


def test_a_skipped_step_is_counted_by_a_continued_training(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _train(Interrupted(3, stop=45), tmp_path)
    assert _train(Bad(), tmp_path)[-1]["skipped"] == 1


class Interrupted(Bad):
    """Bad toy whose user stops it at step `stop`."""

    def __init__(self, *bad: int, stop: int) -> None:
        super().__init__(*bad)
        self.stop = stop

    def loss(self, batch: ToyBatch, shard: BatchShard, group: int) -> dict[str, torch.Tensor]:
        if shard.step == self.stop:
            raise KeyboardInterrupt
        return super().loss(batch, shard, group)


def test_a_diverged_training_ends_with_one_line_and_writes_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"toy: the gradient is not finite in the last \d+ steps up to step \d+"):
        _train(Bad(*range(11, 60)), tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()
