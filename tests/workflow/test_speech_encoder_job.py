"""The speech encoder is an input of the features: a run trains its own before, and a changed folder repeats them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dawn.features.encoders import FILES
from tests.support import programs
from tests.support.repository import copy_repository

PREPARED = ("clips.csv", "64/shards/clips-0.json", "64/shards/clips-1.json")
FEATURES = "data/smoke/64/shards/features-0.json"
ABSENT = "data/smoke/64/shards/features-1.json"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the clips of the smoke corpus and the features of a shard exist."""
    root = tmp_path_factory.mktemp("speech") / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/", "dawn/pretrained/weights/"))
    for age, name in enumerate([*(f"data/smoke/{name}" for name in PREPARED), FEATURES]):
        write(root / name, age)
    return root


def write(path: Path, age: int) -> None:
    """Write a file; the greater `age`, the newer the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"files": []}')
    os.utime(path, (1e9 + age, 1e9 + age))


def planned(root: Path, encoder: str, features: str = FEATURES) -> str:
    """What the workflow would run for the features of a shard, with this speech encoder."""
    (root / "encoder.yaml").write_text(f"features: {{speech: {{encoder: '{encoder}', dim: 96}}}}\n")
    words = "snakemake -n --cores 1 --rerun-triggers mtime --configfile config/smoke.yaml encoder.yaml --"
    done = subprocess.run(
        [*words.split(), features], cwd=root, env=programs.environment(root), capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_the_encoder_of_a_run_is_trained_before_the_features(root: Path) -> None:
    plan = planned(root, "results/smoke/speech", ABSENT)
    assert "training the speech encoder of run smoke" in plan
    assert plan.index("training the speech encoder") < plan.index("features of corpus smoke, shard 1")


def test_a_changed_folder_repeats_the_features(root: Path) -> None:
    for name in (*FILES, "log.jsonl"):
        write(root / "encoders/own" / name, 0)
    assert "Nothing to be done" in planned(root, "encoders/own")
    (root / "encoders/own/log.jsonl").touch()
    os.utime(root / "encoders/own/model.safetensors")
    plan = planned(root, "encoders/own")
    assert "Updated input files: encoders/own/model.safetensors\n" in plan and "training the speech" not in plan


def test_an_encoder_that_the_package_lacks_is_an_error(root: Path) -> None:
    assert "pretrained:speech: no such encoder in this package: it holds none" in planned(root, "pretrained:speech")
