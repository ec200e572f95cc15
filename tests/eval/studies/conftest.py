"""Folders of videos and the cache of features that tests of several studies share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dawn.media.video_writer import write_video
from eval.studies import run_scores
from tests.support.fake_features import FakeExtractors, write_videos
from tests.support.real_clips import GRID


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the features that tests extract, shared so that each is extracted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="package")
def folders(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two people, and in the other folder one of them, a still without sound for the other, and on both sides one
    without a partner and one that cannot be read."""
    root = tmp_path_factory.mktemp("suite")
    for side in ("real", "fake"):
        (root / side).mkdir()
    for name in GRID:
        shutil.copy(real / "clips" / f"{name}.mpg", root / "real")
    shutil.copy(real / "clips" / f"{GRID[0]}.mpg", root / "fake")
    y, x = np.mgrid[:64, :64]
    still = np.stack([x * 4, y * 4, x + y], axis=-1).astype(np.uint8)
    for name in (
        f"fake/{GRID[1]}",
        "fake/other",
        "fake/torn",
        "real/alone",
    ):  # no face, no sound, too short for a rate
        write_video(root / f"{name}.mp4", [still] * 20, fps=25)
    for name in ("fake/broken", "real/torn"):
        (root / f"{name}.mp4").write_bytes(b"no video")
    return root / "real", root / "fake"


@pytest.fixture(scope="package")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of small videos with a list of them and SyncNet weights."""
    root = tmp_path_factory.mktemp("videos")
    write_videos(root)
    return root


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features computed from pixels in place of the networks\' embeddings."""
    monkeypatch.setattr(run_scores, "RunExtractors", FakeExtractors)
