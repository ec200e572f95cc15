"""Incomplete reports, and files written atomically."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.paths import clip_file
from dawn.provenance import incomplete


def test_a_report_is_incomplete_when_one_of_its_files_is_gone(tmp_path: Path) -> None:
    reports = [tmp_path / "0.json", tmp_path / "1.json"]

    def missing() -> list[Path]:
        return incomplete(reports, tmp_path / "files", lambda name: clip_file(tmp_path / "files", name, ".mp4"))

    assert not missing()
    write_json(reports[0], {"files": {"a": "1", "b": "2"}})
    write_json(reports[1], {"files": {"c": "3"}})
    for name in ("a", "b", "c"):
        file = clip_file(tmp_path / "files", name, ".mp4")
        file.parent.mkdir(parents=True)
        file.touch()
    assert not missing()
    clip_file(tmp_path / "files", "b", ".mp4").unlink()
    assert missing() == reports[:1]


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
