"""Names of clips, read from manifests and plain lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.errors import InputError
from dawn.paths import clip_file
from eval.studies.clip_list import read_names, video_path


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


def test_videos_are_found_in_plain_folders_and_among_the_clips_of_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.mp4: missing; every listed clip needs a video"):
        video_path(tmp_path, "a")
    for path in (tmp_path / "a.mp4", clip_file(tmp_path, "a", ".mp4")):
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert video_path(tmp_path, "a") == path
