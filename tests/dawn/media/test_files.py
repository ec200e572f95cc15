"""Files written aside and renamed: whole or absent, and readable as the umask says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dawn.media.files import atomic_path


@pytest.fixture(params=[0o022, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_atomic_path_gives_the_mode_of_the_umask(tmp_path: Path, umask: int) -> None:
    with atomic_path(tmp_path / "folder" / "a.txt") as aside:
        aside.touch(0o600)
        aside.write_text("whole", encoding="utf-8")
    path = tmp_path / "folder" / "a.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert path.read_text(encoding="utf-8") == "whole" and os.listdir(path.parent) == ["a.txt"]


def test_failed_atomic_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), atomic_path(path) as aside:
        aside.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old" and os.listdir(tmp_path) == ["a.txt"]
