"""Reasons of rejected clips: counted by kind, the most frequent first."""

from __future__ import annotations

from dawn.corpora.manifest import Rejected
from dawn.corpora.rejections import frequent_reasons, general_reason


def test_reasons_are_counted_by_kind() -> None:
    assert general_reason("a b.mp4: 0.40 s, shorter than min_seconds = 1.0") == "N s, shorter than min_seconds = N"
    assert general_reason("x/y2.mov: has no sound; give a video with speech") == "has no sound"
    assert general_reason("the list has no window") == "the list has no window"


def test_the_most_frequent_reasons_are_named_and_the_others_counted() -> None:
    reasons = [
        "a.mp4: has no sound; give it",
        "1 s",
        "b.mp4: torn",
        "c.mp4: has no sound; give it",
        "d.mp4: odd",
        "2 s",
    ]
    rejected = [Rejected(f"clip{k}", "corpus", reason) for k, reason in enumerate(reasons)]
    assert frequent_reasons(rejected[:4]) == "has no sound (2), N s (1), torn (1)"
    assert frequent_reasons(rejected) == "has no sound (2), N s (2), torn (1), other reasons (1)"
    assert frequent_reasons([]) == ""
