"""Files written aside and renamed: whole or absent, and readable as the umask says."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.media.files import (
    atomic_path,
    check_writable,
    disk_full_as_input_error,
    replaced_folder,
    require_space,
    user_cache,
)


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


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "folder"
    for name in ("old", "new"):
        with replaced_folder(folder) as aside:
            (aside / name).touch()
    assert os.listdir(folder) == ["new"] and os.listdir(folder.parent) == ["folder"]
    with pytest.raises(RuntimeError), replaced_folder(folder) as aside:
        (aside / "half").touch()
        raise RuntimeError
    assert os.listdir(folder) == ["new"] and os.listdir(folder.parent) == ["folder"]
    # What a killed process left is not part of the next one's folder.
    (folder.parent / ".folder.part").mkdir()
    (folder.parent / ".folder.part" / "half").touch()
    with replaced_folder(folder) as aside:
        assert os.listdir(aside) == []
    (folder / "file").touch()
    with pytest.raises(InputError, match="is a file, not a folder"), replaced_folder(folder / "file"):
        raise AssertionError


def test_failed_atomic_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), atomic_path(path) as aside:
        aside.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_path_that_cannot_be_written_is_an_input_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, problem in ((tmp_path, "is a folder"), (tmp_path / "file/a/b.txt", "is a file, not a folder")):
        with pytest.raises(InputError, match=problem), atomic_path(path):
            pass
    assert check_writable(tmp_path / "new/folder/out.txt") == tmp_path / "new/folder/out.txt"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_write_permission_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path)  # root may write everywhere
    with pytest.raises(InputError, match=f"no permission to write in {tmp_path}; give another path"):
        check_writable(tmp_path / "out.txt")


def test_too_little_space_is_an_input_error_with_sizes_and_remedy(tmp_path: Path) -> None:
    require_space(tmp_path / "absent" / "folder", 1, "a test")
    with pytest.raises(InputError, match=r"absent: a test needs 1000000000\.0 GB, .* GB free; use a larger disk$"):
        require_space(tmp_path / "absent", 1e18, "a test", remedy="use a larger disk")


def test_a_full_disk_is_an_input_error_and_other_faults_are_not(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(InputError, match="the disk is full"), disk_full_as_input_error(tmp_path):
            raise OSError(number, "full")
    with pytest.raises(PermissionError), disk_full_as_input_error(tmp_path):
        raise PermissionError(errno.EACCES, "denied")


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path.home() / ".cache"
