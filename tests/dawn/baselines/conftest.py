"""What tests of baselines share: test clips, and the installation of stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dawn.baselines.declaration import Baseline, load
from dawn.baselines.setup import Setup
from dawn.corpora.manifest import Clip, write_manifest
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from tests.support.baselines import CLIPS, CONFIG, FRAMES, SIDE, Install
from tests.support.clips import features_of
from tests.support.stand_ins import COMMON, STAND_INS


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Two test clips with sound and features, and their manifest."""
    paths = Paths.of(CONFIG, tmp_path / "data", tmp_path / "results")
    rows = []
    t = np.arange(FRAMES * 640) / 16000
    for seed, name in enumerate(CLIPS):
        ramp = np.linspace(40 + 50 * seed, 200, SIDE)
        frames = [np.repeat((ramp[None, :] + i + 0 * ramp[:, None])[..., None], 3, 2) for i in range(FRAMES)]
        tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * seed) * t).astype(np.float32)
        write_video(paths.clip(name), [frame.astype(np.uint8) for frame in frames], audio=tone)
        points = np.random.default_rng(seed).uniform(16, 48, (68, 2)).astype(np.float32)
        box = np.tile(np.float32([16, 16, 48, 48]), (FRAMES, 1))
        features = features_of(FRAMES, landmarks=np.tile(points, (FRAMES, 1, 1)), face_box=box, mouth_box=box)
        features.save(paths.clip_features(name))
        rows.append(Clip(name, name, "test", FRAMES, FRAMES / 25, f"{name}.mp4", "0" * 64))
    write_manifest(paths.test, rows)
    return paths


def _programs(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("ffmpeg", "nvidia-smi"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs the stand-in of a baseline; returns its declaration, at the stand-in's commit, and its setup."""
    monkeypatch.setenv("DAWN_BASELINES", str(tmp_path / "external"))
    _programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def install(name: str) -> tuple[Baseline, Setup]:
        baseline, setup = load(name), Setup.of(name)
        script, body = STAND_INS[name]
        for weight in baseline.weights:
            path = setup.repo / weight.file
            (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
            if path.suffix:
                path.write_text("weights")
        (setup.repo / script).parent.mkdir(parents=True, exist_ok=True)
        (setup.repo / script).write_text(COMMON + body)
        setup.python.parent.mkdir(parents=True)
        setup.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        setup.python.chmod(0o755)
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        for words in (("init", "-q"), ("add", script), (*identity, "commit", "-qm", "stand-in")):
            subprocess.run(["git", *words], cwd=setup.repo, check=True)
        commit = setup.commit()
        return baseline.model_copy(update={"upstream": baseline.upstream.model_copy(update={"commit": commit})}), setup

    return install
