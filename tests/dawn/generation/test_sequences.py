"""Sequences longer than a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.corpora.manifest import Clip
from dawn.generation.sequences import clips_filling, joined_speech, ping_pong
from dawn.paths import Paths
from tests.support.clips import features_of


def clip(name: str, identity: str, frames: int) -> Clip:
    return Clip(name, identity, "test", frames, frames / 25, name, "0" * 64)


CLIPS = [clip("b2", "b", 4), clip("a", "a", 9), clip("b3", "b", 2), clip("b1", "b", 3)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(3, ["b2"]), (4, ["b2"]), (5, ["b2", "b1"]), (9, ["b2", "b1", "b3"]), (14, ["b2", "b1", "b3", "b2", "b1"])],
)
def test_speech_continues_with_the_same_person_by_name_then_repeats(frames: int, expected: list[str]) -> None:
    assert [part.clip for part in clips_filling(CLIPS, CLIPS[0], frames)] == expected
    assert [part.clip for part in clips_filling(CLIPS[::-1], CLIPS[0], frames)] == expected


def test_the_only_clip_of_a_person_is_repeated() -> None:
    assert [part.clip for part in clips_filling(CLIPS, CLIPS[1], 600)] == 67 * ["a"]


def test_speech_of_clips_is_joined_and_cut(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    for index, part in enumerate(CLIPS):
        features = features_of(part.frames, speech=np.full((part.frames, 5), index, np.float32))
        features.save(paths.clip_features(part.clip))
    speech = joined_speech(clips_filling(CLIPS, CLIPS[0], 15), 15, paths)
    assert speech[:, 0].tolist() == [0, 0, 0, 0, 3, 3, 3, 2, 2, 0, 0, 0, 0, 3, 3]


def test_indices_played_back_and_forth_never_jump() -> None:
    assert ping_pong(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert ping_pong(1, 3).tolist() == [0, 0, 0]
    assert ping_pong(5, 3).tolist() == [0, 1, 2]
