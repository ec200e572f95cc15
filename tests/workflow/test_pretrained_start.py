"""The weights of this package that a training starts from are an input of its job, which their change repeats."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support import programs
from tests.support.repository import copy_repository

PREPARED = ("clips.csv", *(f"64/shards/{stage}-{shard}.json" for stage in ("clips", "features") for shard in (0, 1)))
PREPARED += ("64/dataset.csv", "64/dataset.json", "64/store/0.safetensors", "64/store/1.safetensors")
TRAINED = "results/smoke/lfg/weights.safetensors"
START = "dawn/pretrained/weights/lfg64/weights.safetensors"


def test_other_weights_in_the_package_repeat_the_training_that_starts_from_them(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/", "dawn/pretrained/weights/"))
    (root / "start.yaml").write_text("lfg: {start: 'pretrained:lfg64'}\n")
    for age, name in enumerate([*(f"data/smoke/{name}" for name in PREPARED), TRAINED]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('{"files": []}')
        os.utime(root / name, (1e9 + age, 1e9 + age))

    def planned() -> subprocess.CompletedProcess[str]:
        words = "snakemake -n --cores 1 --rerun-triggers mtime --configfile config/smoke.yaml start.yaml --"
        return subprocess.run(
            [*words.split(), TRAINED], cwd=root, env=programs.environment(root), capture_output=True, text=True
        )

    absent = planned()
    assert absent.returncode != 0
    assert "start: pretrained:lfg64: no such weights in this package" in absent.stdout + absent.stderr
    (root / START).parent.mkdir(parents=True)
    (root / START).touch()
    os.utime(root / START, (1e9, 1e9))
    unchanged = planned()
    assert unchanged.returncode == 0 and "Nothing to be done" in unchanged.stdout + unchanged.stderr
    os.utime(root / START)
    assert f"Updated input files: {START}\n" in planned().stdout
