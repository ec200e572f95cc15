"""The training loop: a killed and resumed run ends with the weights of an uninterrupted one, and whole files."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support import forked
from tests.support.toy_training import run


def assert_same(first: Path, second: Path) -> None:
    one, two = load_file(first), load_file(second)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_killed_at_any_moment_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    out = tmp_path / "killed"
    kills = 0
    for delay in (0.05, 0.13, 0.21, 0.09, 0.17, 0.02):
        before = (out / "log.jsonl").stat().st_mtime_ns if (out / "log.jsonl").exists() else 0
        process = forked.start(run, out, 0.004)
        # The delay counts from the first log line of this process, so that the kill interrupts the training itself.
        while process.is_alive():
            if (out / "log.jsonl").exists() and (out / "log.jsonl").stat().st_mtime_ns != before:
                time.sleep(delay)
                process.kill()
                break
            time.sleep(0.005)
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills >= 2
    forked.run(run, out)
    assert_same(whole, out / "weights.safetensors")
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == 60


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_and_a_kill_change_no_weight(workers: int, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    out = tmp_path / "killed"
    process = forked.start(run, out, 0.02, "same", workers)
    while not list(out.glob("step-*")):
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL and not (out / "weights.safetensors").exists()
    assert_same(whole, run(out, workers=workers))


def test_leftovers_of_a_killed_write_are_not_a_checkpoint(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    torn = tmp_path / "torn" / ".step-00000049"
    torn.mkdir(parents=True)
    (torn / "weights.safetensors").write_bytes(b"half")
    assert_same(whole, run(tmp_path / "torn"))
    assert not torn.exists()


def test_checkpoints_of_other_settings_are_not_continued(tmp_path: Path) -> None:
    run(tmp_path / "a", fingerprint="other")
    folder = next((tmp_path / "a").glob("step-*"))
    state = load_file(folder / "weights.safetensors")
    for value in state.values():
        value.zero_()
    save_file(state, folder / "weights.safetensors")
    assert_same(run(tmp_path / "whole"), run(tmp_path / "a", fingerprint="same"))
