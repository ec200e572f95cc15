"""Division of a batch into passes: every sample once, and more passes when memory runs out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from dawn.config import Schedule
from dawn.errors import InputError
from dawn.training.batch_shard import BatchShard
from dawn.training.distributed import Distributed
from dawn.training.division import Division
from dawn.training.loop import train
from tests.support.toy_training import SETTINGS, Toy, ToyBatch, save


@given(batch=st.integers(1, 100), processes=st.integers(1, 8), passes=st.integers(1, 9))
def test_every_sample_is_in_one_pass_of_one_process(batch: int, processes: int, passes: int) -> None:
    schedule = Schedule(steps=1, batch=batch, accumulate=passes)
    members = [cast(Any, SimpleNamespace(world_size=processes, rank=rank)) for rank in range(processes)]
    if batch < processes * passes:
        with pytest.raises(InputError, match="has no sample for each"):
            Division(schedule, members[0])
        return
    divisions = [Division(schedule, member) for member in members]
    shards = [shard for division in divisions for shard in division.shards()]
    assert [sample for shard in shards for sample in shard] == list(range(batch))
    sizes = [len(shard) for shard in shards]
    assert min(sizes) >= 1 and max(len(d.samples) for d in divisions) - min(len(d.samples) for d in divisions) <= 1
    # Weighted means of the passes, averaged over processes, are the mean over the batch.
    numbers = np.arange(batch) ** 2
    of_processes = [sum(d.weight(s) * numbers[s.start : s.stop].mean() for s in d.shards()) for d in divisions]
    assert np.mean(of_processes) == pytest.approx(numbers.mean())


class Large(Toy):
    """Toy whose passes of more than `fits` samples run out of memory, after their forward pass."""

    def __init__(self, fits: int) -> None:
        super().__init__()
        self.fits = fits

    def loss(self, batch: ToyBatch, shard: BatchShard, group: int) -> dict[str, torch.Tensor]:
        losses = super().loss(batch, shard, group) if self.fits else {}
        if len(shard.samples) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return losses


def _train(task: Toy, out: Path, **changes: Any) -> dict[str, torch.Tensor]:
    schedule = SETTINGS["schedule"].model_copy(update={"batch": 8} | changes)
    weights = train(task, Distributed(), out=out, fingerprint="x", **SETTINGS | {"schedule": schedule})
    return load_file(save(out, weights))


def test_passes_are_found_that_fit_the_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _train(Large(2), tmp_path / "found")
    assert "toy: 2 passes a batch" in (error := capsys.readouterr().err) and "toy: 4 passes a batch" in error
    given_ = _train(Toy(), tmp_path / "given", accumulate=4)
    assert all(torch.equal(value, given_[name]) for name, value in found.items())
    lines = (tmp_path / "found/log.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["skipped"] == 0


def test_a_sample_that_does_not_fit_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="step 0 does not fit the GPU's memory in 8 passes"):
        _train(Large(0), tmp_path)
    with pytest.raises(InputError, match="in 2 passes"):
        _train(Large(2), tmp_path, accumulate=2)
