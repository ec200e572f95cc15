"""Loading of batches in worker processes: the same batches, and one clear error when they cannot be loaded."""

from __future__ import annotations

import functools
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from dawn.config import Config, load
from dawn.errors import InputError
from dawn.stages import clips_of
from dawn.training import loader
from dawn.training.a2v_batches import A2vSampler
from dawn.training.batch_shard import BatchShard, part_of
from dawn.training.lfg_batches import LfgSampler
from dawn.training.loader import BatchLoader, Sampler, usable_workers
from dawn.training.pbnet_batches import PbnetSampler
from tests.support import forked
from tests.support.clips import InMemoryClips
from tests.support.toy_training import ToyBatch, sample

CPU = torch.device("cpu")
SHARD = BatchShard(3, "toy", 0, 4, range(4))


def _loaded(sampler: Sampler, workers: int, start: int, total: int) -> list[tuple[object, ...]]:
    return list(BatchLoader(sampler, SHARD, start, total, workers, CPU))


def _samplers(config: Config) -> list[Sampler]:
    clips = InMemoryClips(config, 40)
    return [
        LfgSampler(config, clips),
        PbnetSampler(config, clips),
        A2vSampler(config, clips_of(config, "a2v_stage2"), clips),
    ]


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_change_no_batch(workers: int) -> None:
    for sampler in [*_samplers(load("config/smoke.yaml")), sample]:
        alone, together = _loaded(sampler, 0, 0, 6), _loaded(sampler, workers, 0, 6)
        resumed = _loaded(sampler, workers, 4, 6)
        for one, two in zip([*alone, *alone[4:]], [*together, *resumed], strict=True):
            for field, other in zip(one, two, strict=True):
                assert torch.equal(field, other) if isinstance(field, torch.Tensor) else field == other


def test_a_part_of_a_batch_is_the_batch_of_a_part() -> None:
    for sampler in _samplers(load("config/smoke.yaml")):
        whole = sampler(SHARD)
        part = sampler(BatchShard(3, "toy", 0, 4, range(1, 3)))
        for field, other in zip(part_of(whole, slice(1, 3)), part, strict=True):
            assert torch.equal(field, other) if isinstance(field, torch.Tensor) else field == other


def _damaged(shard: BatchShard) -> ToyBatch:
    if shard.step == 3:
        raise InputError("clip: damaged")
    return sample(shard)


def _killed(shard: BatchShard) -> ToyBatch:
    if shard.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return sample(shard)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_worker_is_that_of_the_training(workers: int) -> None:
    with pytest.raises(InputError) as raised:
        _loaded(_damaged, workers, 0, 6)
    assert str(raised.value) == "clip: damaged"


def test_a_killed_worker_ends_the_training_with_one_line() -> None:
    with pytest.raises(InputError, match=r"a process that loads batches ended \(.*lower data\.workers"):
        _loaded(_killed, 2, 0, 6)


def test_batches_fit_the_shared_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Two batches are in use, and workers are four ahead."""
    batch = 4 * 3 * 4
    monkeypatch.setattr(loader, "free_space", lambda folder: 6 * batch)
    assert len(_loaded(sample, 1, 0, 3)) == 3 and not capsys.readouterr().err
    monkeypatch.setattr(loader, "free_space", lambda folder: 6 * batch - 1)
    assert len(_loaded(sample, 4, 0, 3)) == 3
    assert "loading in 0 of 4 processes: a batch has 0 MB, and /dev/shm 0 MB" in capsys.readouterr().err


def _train(pids: Path) -> None:
    for _ in BatchLoader(functools.partial(_noted, pids), SHARD, 0, 1000, 2, CPU):
        time.sleep(0.05)


def _noted(pids: Path, shard: BatchShard) -> ToyBatch:
    (pids / str(os.getpid())).touch()
    return sample(shard)


def test_workers_end_with_a_killed_training(tmp_path: Path) -> None:
    training = forked.start(_train, tmp_path)
    while len(list(tmp_path.iterdir())) < 3:  # the training itself and two workers
        assert training.is_alive()
        time.sleep(0.05)
    training.kill()
    training.join()
    for _ in range(200):
        if not any(Path(f"/proc/{path.name}").exists() for path in tmp_path.iterdir()):
            return
        time.sleep(0.05)
    pytest.fail("workers outlived the training")


def test_workers_suit_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert usable_workers(None, CPU, 1) == 0 and usable_workers(3, CPU, 1) == 3
    assert [usable_workers(None, gpu, processes) for processes in (1, 2, 4, 16)] == [8, 7, 3, 1]


def test_training_waits_for_what_a_worker_loads() -> None:
    batches = BatchLoader(_slow, SHARD, 0, 3, 0, CPU)
    list(batches)
    assert batches.waited > 0.15


def _slow(shard: BatchShard) -> ToyBatch:
    time.sleep(0.06)
    return sample(shard)
