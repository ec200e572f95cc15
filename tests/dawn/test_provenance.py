"""Digests, forgotten reports, files written aside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.media.files import atomic_path, sha256_file
from dawn.provenance import code_digest, digest, forget_incomplete, read_json, write_json


def test_digest_ignores_the_order_of_keys_and_nothing_else() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest([1, 2]) != digest([2, 1])


def test_code_digest_is_of_the_named_places_only() -> None:
    assert code_digest("dawn/media") == code_digest("dawn/media")
    assert code_digest("dawn/media") != code_digest("dawn/media", "dawn/paths.py")


def test_a_report_goes_when_one_of_its_files_is_gone(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert not forget_incomplete(report, tmp_path, ".mp4")
    write_json(report, {"files": {"a": "1", "b": "2"}})
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").touch()
    assert not forget_incomplete(report, tmp_path, ".mp4")
    assert report.exists()
    (tmp_path / "b.mp4").unlink()
    assert forget_incomplete(report, tmp_path, ".mp4")
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
    with pytest.raises(InputError, match="make it again"):
        read_json(tmp_path / "x.json")
