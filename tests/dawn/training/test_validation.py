"""Validation on held-out clips: it changes no step, its best weights are the result, and it survives interruptions."""

from __future__ import annotations

import json
import math
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dawn.config import ValidationSchedule
from dawn.errors import InputError
from dawn.training.batch_shard import BatchShard
from dawn.training.distributed import Distributed
from dawn.training.loop import train
from tests.support import forked
from tests.support.toy_training import SETTINGS, VALIDATED, Toy, ToyBatch, join_validated, run_validated, sample

BEST, END = 24, 36  # steps of the lowest loss, and of the third validation after it without a lower one


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def assert_same(first: Path, second: Path) -> None:
    one, two = load_file(first), load_file(second)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def loss_of(toy: Toy, weights: Path) -> float:
    """Validation loss of a weights file, computed by hand: evaluation mode, three batches, without the adversarial."""
    state = load_file(weights)
    for name, net in toy.networks.items():
        prefix = f"{name}/"
        net.load_state_dict({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})
        net.eval()
    losses = []
    for batch in range(3):
        shard = BatchShard(3, "toy/validation", batch, 4, range(4))
        with torch.no_grad():
            losses.append(toy.loss(sample(shard), shard, 0)["reconstruction"])
    return float(torch.stack(losses).mean())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an uninterrupted training."""
    out = tmp_path_factory.mktemp("whole")
    run_validated(out)
    return out


def test_the_weights_of_the_lowest_loss_are_the_result(whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    validated = {record["step"]: record for record in records(whole) if "validation" in record}
    assert list(validated) == list(range(0, END + 1, 4))
    assert min(validated, key=lambda step: validated[step]["validation"]) == BEST
    assert validated[BEST].keys() >= {"validation/reconstruction", "validation/gan"}
    assert validated[BEST]["validation"] == validated[BEST]["validation/reconstruction"]
    assert loss_of(Toy(), whole / "weights.safetensors") == pytest.approx(validated[BEST]["validation"], rel=1e-6)
    assert max(record["step"] for record in records(whole)) == END
    run_validated(whole)  # as when a kill falls between the end of the training and the writing of its weights
    lowest = validated[BEST]["validation"]
    line = f"the weights of step {BEST} have the lowest validation loss, {lowest:.5g}; training ended at step {END}"
    assert capfd.readouterr().err.count(f"toy: {line}, as 3 validations brought no lower one") == 1
    assert [record for record in records(whole) if record["step"] > END] == []


def test_validation_changes_no_step(whole: Path, tmp_path: Path) -> None:
    """Neither random numbers nor statistics of batch normalisation: losses and gradients are those of before."""
    plain = VALIDATED.model_copy(update={"validation": None})
    settings = SETTINGS | {"schedule": plain}
    train(Toy(), Distributed(), out=tmp_path, fingerprint="same", **settings)
    names = ("step", "reconstruction", "gan", "discriminator", "lr", "grad_norm")
    steps = [{name: record[name] for name in names} for record in records(whole) if "lr" in record]
    expected = [{name: record[name] for name in names} for record in records(tmp_path)]
    assert all(record["step"] % 3 == 0 for record in steps[:-1])
    assert steps[:-1] == expected[: len(steps) - 1]


def test_killed_at_any_moment_ends_with_the_same_weights(whole: Path, tmp_path: Path) -> None:
    out, kills = tmp_path / "killed", 0
    for delay in (0.05, 0.2, 0.1):
        process = forked.start(run_validated, out, 0.004)
        kills += killed_while_training([process], out, delay)
    assert kills >= 2
    forked.run(run_validated, out)
    assert_same(whole / "weights.safetensors", out / "weights.safetensors")
    assert losses(out) == losses(whole)
    steps = [record["step"] for record in records(out)]
    assert steps == sorted(set(steps))


@pytest.mark.network
@pytest.mark.slow
def test_two_processes_end_together_and_resume(tmp_path: Path) -> None:
    group = pair(tmp_path / "whole")
    assert finished(group) == {0}
    values = dict(losses(tmp_path / "whole"))
    best = min(values, key=lambda step: values[step])
    assert best == max(values) - 12 < 48  # three validations, four steps apart
    group = pair(tmp_path / "killed", 0.01)
    assert killed_while_training(group, tmp_path / "killed", 0.1)
    assert finished(pair(tmp_path / "killed")) == {0}
    assert_same(tmp_path / "whole/weights.safetensors", tmp_path / "killed/weights.safetensors")
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def test_a_loss_that_is_not_finite_is_no_improvement(tmp_path: Path) -> None:
    """Not even on the first weights, which are the best until a finite loss comes."""

    class Diverging(Toy):
        measured = 0

        def loss(self, batch: ToyBatch, shard: BatchShard, group: int) -> dict[str, torch.Tensor]:
            self.measured += 1
            factor = 1 if self.measured == 2 else math.nan
            return {name: factor * value for name, value in super().loss(batch, shard, group).items()}

    keys = ValidationSchedule(every=4, batches=1, patience=3)
    settings = SETTINGS | {"schedule": VALIDATED.model_copy(update={"validation": keys})}
    train(Toy(), Distributed(), out=tmp_path, fingerprint="same", validation_task=Diverging(), **settings)
    validated = [record for record in records(tmp_path) if "validation" in record]
    assert [math.isfinite(record["validation"]) for record in validated] == [False, True, False, False, False]


def test_a_batch_that_does_not_fit_the_memory_is_divided(whole: Path, tmp_path: Path) -> None:
    class Large(Toy):
        def loss(self, batch: ToyBatch, shard: BatchShard, group: int) -> dict[str, torch.Tensor]:
            if len(shard.samples) > fitting:
                raise torch.OutOfMemoryError
            return super().loss(batch, shard, group)

    settings = SETTINGS | {"schedule": VALIDATED, "total": 1}
    fitting = 2
    train(Toy(), Distributed(), out=tmp_path, fingerprint="same", validation_task=Large(), **settings)
    assert records(tmp_path)[0]["validation"] == pytest.approx(records(whole)[0]["validation"], rel=1e-6)
    fitting = 0
    with pytest.raises(InputError, match="toy/validation: a batch does not fit the GPU's memory in 4 passes"):
        train(Toy(), Distributed(), out=tmp_path / "b", fingerprint="same", validation_task=Large(), **settings)


def losses(out: Path) -> list[tuple[int, float]]:
    return [(record["step"], record["validation"]) for record in records(out) if "validation" in record]


def killed_while_training(group: list[BaseProcess], out: Path, delay: float) -> bool:
    """Kill the processes `delay` seconds after the next record of the log; returns whether they were running."""
    log = out / "log.jsonl"
    before = log.stat().st_mtime_ns if log.exists() else 0
    while group[0].is_alive():
        if log.exists() and log.stat().st_mtime_ns != before and log.stat().st_size:
            time.sleep(delay)
            for process in group:
                process.kill()
            break
        time.sleep(0.005)
    for process in group:
        process.join()
    return group[0].exitcode == -signal.SIGKILL


def pair(out: Path, pause: float = 0.0) -> list[BaseProcess]:
    """Start two processes that train together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [forked.start(join_validated, rank, port, out, pause) for rank in range(2)]


def finished(group: list[BaseProcess]) -> set[int | None]:
    """Wait for processes, for a minute at most; returns their exit codes, None for one that hangs."""
    for process in group:
        process.join(60)
    codes = {process.exitcode for process in group}
    for process in group:
        process.kill()
    return codes
