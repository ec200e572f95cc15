"""Pairs of real and generated videos by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.paths import clip_file
from eval.extract.video_pairs import Pair, pairs_of


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


def test_clips_of_a_corpus_have_their_own_names(tmp_path: Path) -> None:
    real, fake = clip_file(tmp_path / "clips", "anna_0", ".mp4"), tmp_path / "videos/anna_0.mp4"
    for path in (real, fake):
        path.parent.mkdir(parents=True)
        path.touch()
    assert pairs_of(tmp_path / "clips", tmp_path / "videos") == [Pair("anna_0", real, fake)]
