"""Checkpoint folders."""

from __future__ import annotations

import stat
from pathlib import Path

import torch

from dawn.training.checkpoint import Checkpoints


def test_checkpoint_files_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", "fingerprint", keep=1)
    checkpoints.save(3, {"weights": {"a": torch.zeros(2)}}, {}, "{}")
    (tmp_path / "ordinary").touch()
    folder = checkpoints.latest()
    assert folder is not None
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ordinary", *folder.iterdir())}
    assert len(modes) == 5 and set(modes.values()) == {modes["ordinary"]}
