"""Reports that are deleted when incomplete, and files written atomically."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.provenance import delete_incomplete


def test_a_report_goes_when_one_of_its_files_is_gone(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert not delete_incomplete(report, tmp_path, ".mp4")
    write_json(report, {"files": {"a": "1", "b": "2"}})
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").touch()
    assert not delete_incomplete(report, tmp_path, ".mp4")
    assert report.exists()
    (tmp_path / "b.mp4").unlink()
    assert delete_incomplete(report, tmp_path, ".mp4")
    assert not report.exists()


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
