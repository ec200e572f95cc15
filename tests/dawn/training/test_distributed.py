"""Training with several processes or accumulation passes equals training with one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dawn.config import Schedule
from dawn.errors import InputError
from dawn.training.distributed import Distributed
from dawn.training.loop import train
from tests.support.repository import REPOSITORY
from tests.support.toy_training import SETTINGS, Toy

STEPS = 20
WORKER = f"""
import os, sys, time
from pathlib import Path
sys.path.insert(0, {str(REPOSITORY)!r})
import torch
from tests.support.clips import InMemoryClips
from dawn.config import A2vStage, load
from dawn.models.lfg import LatentFlowGenerator
from dawn.training.a2v import A2vTask
from dawn.training.distributed import launch
from dawn.training.loop import train

out, processes, accumulate, stop, pause = Path(sys.argv[1]), *map(int, sys.argv[2:5]), float(sys.argv[5])
config = load("config/smoke.yaml")
stage = A2vStage(
    steps={STEPS}, batch=4, frames_min=4, frames_max=6, source="random", jitter=0, log_every=1, checkpoint_every=5,
    threads=1, processes=processes, accumulate=accumulate,
)

class Task(A2vTask):
    def loss(self, shard, group):
        if shard.step == stop:
            raise SystemExit(3)
        time.sleep(pause)
        return super().loss(shard, group)

torch.manual_seed(0)
task = Task(config, stage, InMemoryClips(config), LatentFlowGenerator(config.lfg.model))
with launch(processes) as distributed:
    out.mkdir(parents=True, exist_ok=True)
    (out / f"rank-{{distributed.rank}}").write_text(str(os.getpid()))
    settings = dict(stage="a2v_stage2", schedule=stage, total={STEPS}, seed=5, fingerprint="same", config="{{}}")
    train(task, distributed, out=out, **settings)
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("distributed") / "worker.py"
    path.write_text(WORKER)
    return path


def start(
    worker: Path, out: Path, processes: int = 1, accumulate: int = 1, stop: int = -1, pause: float = 0
) -> subprocess.Popen[bytes]:
    numbers = [processes, accumulate, stop, pause]
    return subprocess.Popen([sys.executable, str(worker), str(out), *map(str, numbers)], stderr=subprocess.DEVNULL)


def losses(out: Path) -> np.ndarray:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    return np.array([[line["simple"], line["grad_norm"]] for line in lines])


@pytest.fixture(scope="module")
def alone(worker: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("distributed") / "alone"
    assert start(worker, out).wait() == 0
    return losses(out)


@pytest.mark.parametrize(("processes", "accumulate"), [(1, 4), (2, 2)])  # (2, 1) would be a part of the last
def test_a_divided_batch_trains_as_a_whole_one(
    worker: Path, alone: np.ndarray, tmp_path: Path, processes: int, accumulate: int
) -> None:
    assert start(worker, tmp_path / "run", processes, accumulate).wait() == 0
    np.testing.assert_allclose(losses(tmp_path / "run"), alone, rtol=2e-3)
    # Adam divides by the size of a gradient, so rounding grows from step to step; before the first it is all there is.
    np.testing.assert_allclose(losses(tmp_path / "run")[0], alone[0], rtol=2e-6)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_broken_run_goes_on_with_any_number_of_processes(
    worker: Path, alone: np.ndarray, tmp_path: Path, processes: int
) -> None:
    out = tmp_path / "run"
    assert start(worker, out, processes=2, stop=12).wait() == 3
    assert (out / "step-00000010").is_dir() and not (out / "weights.safetensors").exists()
    assert start(worker, out, processes).wait() == 0
    np.testing.assert_allclose(losses(out), alone, rtol=2e-3)


def test_the_others_end_when_the_first_is_killed(worker: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(worker, out, processes=2, pause=0.3)
    other = out / "rank-1"
    while not ((out / "log.jsonl").exists() and other.exists() and other.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(600):
        if not running(int(other.read_text())):
            return
        time.sleep(0.05)
    os.kill(int(other.read_text()), signal.SIGKILL)
    pytest.fail("a launched process outlived the main process")


def running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_batch_that_cannot_be_divided_is_an_error(tmp_path: Path) -> None:
    settings = SETTINGS | {"schedule": Schedule(steps=60, batch=4, accumulate=3)}
    with pytest.raises(InputError, match="batch of 4 cannot be divided"):
        train(Toy(), Distributed(), out=tmp_path, fingerprint="x", **settings)
