"""CSV files of results: what is written is read, and unreadable files are InputError."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.media.csv_files import read_rows, write_rows


def test_written_rows_are_read_by_column(tmp_path: Path) -> None:
    path = tmp_path / "results" / "table.csv"
    write_rows(path, ("clip", "value"), [("a, b", 1.5), ("ü", None)])
    assert path.read_bytes() == 'clip,value\n"a, b",1.5\nü,\n'.encode()
    assert read_rows(path) == [{"clip": "a, b", "value": "1.5"}, {"clip": "ü", "value": ""}]


@pytest.mark.parametrize("content", [None, b"clip\n\xff\xfe\n"])
def test_unreadable_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.csv: cannot be read as CSV"):
        read_rows(path)
