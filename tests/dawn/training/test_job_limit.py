"""Training within a cluster job with a time limit: saved in time, queued again, and continued."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dawn.training import job_limit
from dawn.training.job_limit import MARGIN, TRY_AGAIN
from tests.support.toy_training import run


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A replacement of SLURM's program, which notes its arguments in the file returned."""
    notes, program = tmp_path / "notes.txt", tmp_path / "bin/scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {notes}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("DAWN_REQUEUE", "1")
    monkeypatch.setattr(job_limit, "_KILLED", 0)
    return notes


def test_a_training_is_saved_and_queued_again(
    scontrol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + MARGIN)))
    with pytest.raises(SystemExit) as ended:
        run(tmp_path / "limited", pause=0.02)
    assert ended.value.code == TRY_AGAIN and scontrol.read_text() == "requeue 17\n"
    [checkpoint] = (tmp_path / "limited").glob("step-*")
    step = int(checkpoint.name.removeprefix("step-"))
    assert 0 < step < 60 and step % 5 == 0  # a step at which it looks at the clock
    assert f"toy: saved at step {step}, before the job's time limit" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + MARGIN + 3600)))
    continued, whole = load_file(run(tmp_path / "limited")), load_file(run(tmp_path / "whole"))
    assert all(torch.equal(value, continued[name]) for name, value in whole.items())


def test_a_job_that_cannot_be_queued_again_ends_for_another_try(
    scontrol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time())))
    with pytest.raises(SystemExit) as ended:
        run(tmp_path / "limited")
    assert ended.value.code == TRY_AGAIN and not scontrol.exists()


def test_an_interactive_job_is_not_queued_again(
    scontrol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAWN_REQUEUE")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time())))
    assert run(tmp_path / "whole").is_file() and not scontrol.exists()
