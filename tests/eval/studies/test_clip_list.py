"""Names of clips, read from manifests and plain lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.errors import InputError
from eval.studies.clip_list import read_names


def test_names_come_from_manifests_and_lists(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("a\nb\n\n")
    assert read_names(listed) == ["a", "b"]
    listed.write_text("frames,clip\n3,a\n4,b\n")
    assert read_names(listed) == ["a", "b"]
    for text, said in (("", "no clip names"), ("a\na\n", "twice"), ("x,y\n1,2\n", "no column")):
        listed.write_text(text)
        with pytest.raises(InputError, match=said):
            read_names(listed)
