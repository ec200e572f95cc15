"""The weights of this package that a training starts from are an input of its job."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import programs
from tests.support.repository import copy_repository


def test_pretrained_weights_are_an_input_by_their_place_in_the_checkout(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/", "dawn/pretrained/weights/"))
    (root / "start.yaml").write_text("lfg: {start: 'pretrained:lfg64'}\n")

    def graph() -> subprocess.CompletedProcess[str]:
        words = "snakemake --filegraph --configfile config/smoke.yaml start.yaml --"
        return subprocess.run(
            [*words.split(), "results/smoke/lfg/weights.safetensors"], cwd=root,
            env=programs.environment(root), capture_output=True, text=True,
        )  # fmt: skip

    absent = graph()
    assert absent.returncode != 0
    assert "start: pretrained:lfg64: no such weights in this package" in absent.stdout + absent.stderr
    weights = root / "dawn/pretrained/weights/lfg64/weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    found = graph()
    assert found.returncode == 0, found.stdout + found.stderr
    assert ">dawn/pretrained/weights/lfg64/weights.safetensors<" in found.stdout, found.stdout
