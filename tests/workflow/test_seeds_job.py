"""The repetitions of a run: which trainings they plan, and what they share with the run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.repository import copy_repository

STAGES = ("lfg", "pbnet", "a2v_stage1", "a2v_stage2")
REPETITIONS = ("demo-seed-1", "demo-seed-2", "demo-threads-2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seeds") / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/"))
    return root


def planned(root: Path, target: str) -> list[str]:
    """Messages of the jobs that Snakemake would run."""
    words = "snakemake -n --cores 2 --"
    done = subprocess.run(
        [*words.split(), target], cwd=root, env=programs.environment(root), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("Job ")]


def test_repetitions_train_every_network_and_share_corpus_syncnet_and_real_scores(root: Path) -> None:
    jobs = planned(root, "results/seeds.md")
    runs = ("demo", *REPETITIONS)
    assert sorted(job for job in jobs if job.startswith("training ") and "checks" not in job) == sorted(
        ["training SyncNet of run demo", *(f"training {stage} of run {run}" for run in runs for stage in STAGES)]
    )
    assert {job for job in jobs if job.startswith("training checks")} == {f"training checks of run {r}" for r in runs}
    assert [job for job in jobs if job.startswith("dataset")] == ["dataset of corpus demo"]
    assert {job for job in jobs if " of corpus " in job} == {job for job in jobs if " of corpus demo" in job}
    assert [job for job in jobs if job.startswith("scores of gt")] == ["scores of gt of run demo"]
    assert jobs.count("run demo and its repetitions") == 1


def test_the_run_alone_plans_no_repetition(root: Path) -> None:
    jobs = planned(root, "all")
    assert "training lfg of run demo" in jobs
    assert not [job for job in jobs if any(run in job for run in REPETITIONS)]
