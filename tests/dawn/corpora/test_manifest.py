"""The manifest reads back as written, and faults are named by file, row and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.corpora.manifest import Clip, Rejected, read_manifest, read_rejected, write_manifest, write_rejected
from dawn.errors import InputError

GOOD = Clip("a-1", "Ann", "train", 75, 3.0, 'some, folder/"a" 1.mp4', "0" * 64)

clips = st.builds(
    Clip,
    clip=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True),
    identity=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8),
    split=st.sampled_from(("train", "test")),
    frames=st.integers(1, 10**6),
    seconds=st.floats(0.01, 1e5),
    source=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(clips, max_size=5, unique_by=lambda clip: clip.clip))
def test_a_manifest_reads_back_as_written(rows: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("manifest") / "clips.csv"
    write_manifest(path, rows)
    assert read_manifest(path) == rows


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("clip", "../escape"),
        ("clip", ""),
        ("identity", ""),
        ("split", "validation"),
        ("frames", "0"),
        ("frames", "7.5"),
        ("seconds", "nan"),
        ("seconds", "-1"),
        ("source", ""),
        ("sha256", "xyz"),
    ],
)
def test_a_bad_cell_is_named(tmp_path: Path, column: str, value: str) -> None:
    path = tmp_path / "clips.csv"
    write_manifest(path, [GOOD, Clip(**{**GOOD.__dict__, "clip": "a-2", column: value})])
    with pytest.raises(InputError, match=rf"clips\.csv: row 3, column {column}: "):
        read_manifest(path)


def test_a_name_that_appears_twice_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path / "clips.csv", [GOOD, GOOD])
    with pytest.raises(InputError, match="row 3, column clip: 'a-1' appears twice"):
        read_manifest(tmp_path / "clips.csv")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "column clip is missing"),
        ("clip,identity,split,frames,seconds,sha256\n", "column source is missing"),
        ("identity,clip,split,frames,seconds,source,sha256\n", "columns are identity, clip"),
        ("clip,identity,split,frames,seconds,source,sha256\na,b,train\n", "row 2, column frames: 3 cells"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(InputError, match=fault):
        read_manifest(tmp_path / "clips.csv")


def test_a_missing_manifest_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv")


def test_rejected_clips_read_back_even_when_there_are_none(tmp_path: Path) -> None:
    rows = [Rejected("a-1", "corpus", 'has no sound, "really"'), Rejected("b", "features", "two\nlines")]
    write_rejected(tmp_path / "some.csv", rows)
    write_rejected(tmp_path / "none.csv", [])
    assert read_rejected(tmp_path / "some.csv") == rows
    assert read_rejected(tmp_path / "none.csv") == []
