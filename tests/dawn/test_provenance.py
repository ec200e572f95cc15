"""Incomplete reports, and files written atomically."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.provenance import incomplete


def test_a_report_is_incomplete_when_one_of_its_files_is_gone(tmp_path: Path) -> None:
    reports = [tmp_path / "0.json", tmp_path / "1.json"]
    assert not incomplete(reports, tmp_path / "files", ".mp4")
    write_json(reports[0], {"files": {"a": "1", "b": "2"}})
    write_json(reports[1], {"files": {"c": "3"}})
    (tmp_path / "files").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / f"files/{name}.mp4").touch()
    assert not incomplete(reports, tmp_path / "files", ".mp4")
    (tmp_path / "files/b.mp4").unlink()
    assert incomplete(reports, tmp_path / "files", ".mp4") == reports[:1]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with atomic_path(path) as aside:
        aside.write_text("old")
        assert aside.suffix == ".txt"
    old = sha256_file(path)
    with pytest.raises(RuntimeError), atomic_path(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert sha256_file(path) == old
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_damaged_report_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match="run the step that writes it again"):
        read_json(tmp_path / "x.json")
