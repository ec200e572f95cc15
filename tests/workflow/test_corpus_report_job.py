"""The job that reports on a corpus: what it waits for, and when its report is outdated."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import programs
from tests.support.repository import copy_repository


def test_the_report_waits_for_no_training_and_uses_a_syncnet_that_exists(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/"))

    def planned() -> tuple[set[str], str]:
        done = subprocess.run(
            ["snakemake", "-n", "-p", "--cores", "1", "--", "results/demo/corpus.md"],
            cwd=root, env=programs.environment(root), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        return {row[0] for row in rows if len(row) == 2 and row[1].isdigit()} - {"total"}, done.stdout

    rules, text = planned()
    assert rules == {"corpus", "clips", "features", "dataset", "corpus_report"}
    assert "--syncnet" not in text
    weights = root / "results/demo/syncnet.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    rules, text = planned()
    assert rules == {"corpus", "clips", "features", "dataset", "corpus_report"}
    assert "--syncnet results/demo/syncnet.safetensors" in text
