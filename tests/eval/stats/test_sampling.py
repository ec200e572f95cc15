"""Evenly spaced items of a sequence."""

from __future__ import annotations

from eval.stats.sampling import evenly_spaced


def test_items_are_evenly_spaced_from_first_to_last() -> None:
    letters = "abcdefghij"
    assert evenly_spaced(letters, 4) == ["a", "d", "g", "j"]
    assert evenly_spaced(letters, 1) == ["a"]
    assert evenly_spaced(letters, 20) == list(letters)
    assert evenly_spaced([], 3) == []
