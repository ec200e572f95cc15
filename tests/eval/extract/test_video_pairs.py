"""Pairs of real and generated videos by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.errors import InputError
from eval.extract.video_pairs import pairs_of


def test_pairs_have_the_same_name(tmp_path: Path) -> None:
    for name in ("real/a.mp4", "real/sub/b.mkv", "fake/a.webm", "fake/sub/b.mp4", "fake/c.mp4", "fake/.hidden.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pairs = pairs_of(tmp_path / "real", tmp_path / "fake")
    assert [(pair.name, pair.real is not None, pair.fake is not None) for pair in pairs] == [
        ("a", True, True),
        ("c", False, True),
        ("sub/b", True, True),
    ]
    (tmp_path / "fake/a.mp4").touch()
    with pytest.raises(InputError, match="two videos of one name"):
        pairs_of(tmp_path / "real", tmp_path / "fake")
