"""Places of the files of a corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dawn.paths import Paths


def test_no_folder_has_more_than_a_thousand_of_150_000_clips() -> None:
    paths = Paths(Path("data/c"), Path("data/c/128"), Path("results/r"))
    assert paths.clip("p000-00") == Path("data/c/128/clips/8b/p000-00.mp4")
    assert paths.clip_features("p000-00") == Path("data/c/128/features/8b/p000-00.safetensors")
    files = Counter(paths.clip(f"id{index % 1000:05}-{index}").parent for index in range(150_000))
    assert len(files) == 256 and max(files.values()) < 1000
