"""Training with several processes or accumulation passes equals training with one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.config import Schedule
from dawn.errors import InputError
from dawn.training.distributed import Distributed, usable
from dawn.training.loop import train
from tests.support import distributed_worker, forked
from tests.support.distributed_worker import STEPS, STOPPED
from tests.support.toy_training import SETTINGS, Toy

pytestmark = [pytest.mark.network, pytest.mark.slow]


def start(out: Path, processes: int, pause: float = 0) -> BaseProcess:
    """Start the main process of a training, which starts the others with its command line."""
    return forked.start(distributed_worker.main, str(out), str(processes), "1", "-1", str(pause))


def training_pair(out: Path) -> tuple[BaseProcess, int]:
    """Start a training of two processes and wait for its first steps; returns the main process and the other's id."""
    process, other = start(out, processes=2, pause=0.3), out / "rank-1"
    while not ((out / "log.jsonl").exists() and other.exists() and other.read_text()):
        assert process.is_alive()
        time.sleep(0.05)
    return process, int(other.read_text())


def run_group(
    out: Path, processes: int, accumulate: int = 1, stop: int = -1, others: Path | None = None
) -> set[int | None]:
    """Run a training whose processes are all started here, as by torchrun; returns their exit codes.

    `others` is the folder of all processes but the main one.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folders = [out, *[others or out] * (processes - 1)]
    options = (processes, accumulate, stop)
    group = [forked.start(distributed_worker.join, rank, port, folder, *options) for rank, folder in enumerate(folders)]
    for process in group:
        process.join()
    return {process.exitcode for process in group}


def losses(out: Path) -> np.ndarray:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    return np.array([[line["simple"], line["grad_norm"]] for line in lines])


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Losses of the undivided training."""
    out = tmp_path_factory.mktemp("one-process")
    distributed_worker.run(out)
    return losses(out)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a training with two processes that stopped at step 5, after the checkpoint of 3 steps."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    assert run_group(out, processes=2, stop=5) == {STOPPED}
    assert (out / "step-00000003").is_dir() and not (out / "weights.safetensors").exists()
    return out


# Three uneven passes, and two of two processes; two processes of one pass are a part of the latter.
@pytest.mark.parametrize(("processes", "accumulate"), [(1, 3), (2, 2)])
def test_a_divided_batch_trains_as_a_whole_one(
    one_process: np.ndarray, tmp_path: Path, processes: int, accumulate: int
) -> None:
    if processes == 1:
        distributed_worker.run(tmp_path, accumulate=accumulate)
    else:
        assert run_group(tmp_path, processes, accumulate) == {0}
    np.testing.assert_allclose(losses(tmp_path), one_process, rtol=5e-4)
    # Adam divides by the size of a gradient, so rounding errors grow from step to step; the first has no others.
    # The float32 gradient of this batch has a relative error of 2e-5, its norm one of 2e-6 to 5e-6, by initial weights.
    (loss, norm), (expected_loss, expected_norm) = losses(tmp_path)[0], one_process[0]
    assert loss == pytest.approx(expected_loss, rel=2e-6) and norm == pytest.approx(expected_norm, rel=1e-5)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stopped_run_resumes_with_any_number_of_processes(
    stopped: Path, one_process: np.ndarray, tmp_path: Path, processes: int
) -> None:
    out = tmp_path / "run"
    shutil.copytree(stopped, out)
    if processes == 1:
        distributed_worker.run(out)
    else:
        process = start(out, processes)
        process.join()
        assert process.exitcode == 0
    np.testing.assert_allclose(losses(out), one_process, rtol=5e-4)


def test_the_other_processes_end_when_the_main_process_is_killed(tmp_path: Path) -> None:
    process, other = training_pair(tmp_path / "run")
    process.kill()
    process.join()
    for _ in range(600):
        if not running(other):
            return
        time.sleep(0.05)
    os.kill(other, signal.SIGKILL)
    pytest.fail("a launched process outlived the main process")


def test_the_main_process_ends_when_another_fails(tmp_path: Path) -> None:
    """At once: it would wait for minutes in a collective."""
    process, other = training_pair(tmp_path / "run")
    os.kill(other, signal.SIGKILL)
    process.join(20)
    assert process.exitcode == 1


def test_all_processes_resume_what_the_main_process_has(stopped: Path, one_process: np.ndarray, tmp_path: Path) -> None:
    """Another process that does not see the checkpoint, as on a network file system, would start anew."""
    shutil.copytree(stopped, tmp_path / "run")
    (tmp_path / "empty").mkdir()
    assert run_group(tmp_path / "run", 2, others=tmp_path / "empty") == {0}
    np.testing.assert_allclose(losses(tmp_path / "run"), one_process, rtol=5e-4)


def running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_batch_of_fewer_samples_than_passes_is_an_error(tmp_path: Path) -> None:
    settings = SETTINGS | {"schedule": Schedule(steps=60, batch=4, accumulate=5)}
    with pytest.raises(InputError, match="batch of 4 has no sample for each of 5 passes"):
        train(Toy(), Distributed(), out=tmp_path, fingerprint="x", **settings)


def test_a_gpu_has_one_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [usable(count) for count in (1, 2, 8)] == [1, 2, 2]
    assert capsys.readouterr().err.count("2 of 8 processes") == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert usable(8) == 8
