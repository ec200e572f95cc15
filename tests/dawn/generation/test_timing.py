"""Timing: what counts, in which order, and its summary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.corpora.manifest import Clip, write_manifest
from dawn.generation import timing
from dawn.generation.driving import Source
from dawn.generation.networks import Networks
from dawn.generation.timed import Timed
from dawn.generation.timing import summary
from dawn.media.json_files import read_json
from dawn.methods import strategies
from dawn.paths import Paths
from tests.support.clips import InMemoryClips
from tests.support.networks import config, networks


def test_only_the_generation_of_frames_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("dawn.generation.timed.time.perf_counter", lambda: now[0])

    def frames() -> Iterator[NDArray[np.uint8]]:
        for _ in range(3):
            now[0] += 2
            yield np.zeros((1, 1, 3), np.uint8)

    timed = Timed(frames())
    for _ in timed:
        now[0] += 100
    assert timed.seconds == 6


def test_the_median_has_an_interval_of_order_statistics() -> None:
    assert summary([3, 1, 2, 5, 4], 0.95) == {"value": 3, "low": 1, "high": 5, "n": 5}
    assert summary(list(range(1, 11)), 0.95) == {"value": 5.5, "low": 2, "high": 9, "n": 10}  # as tabulated: 97.9 %


def test_strategies_are_timed_alternately_after_a_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config()
    paths = Paths(tmp_path, tmp_path, tmp_path)
    clips = [Clip(f"{who}1", who, "test", 5, 0.2, who, "0" * 64) for who in "ab"]
    for manifest in (paths.test, paths.dataset):
        write_manifest(manifest, clips)
    features = InMemoryClips(settings).features(0)
    for clip in clips:
        features.save(paths.clip_features(clip.clip))
    order: list[str] = []

    def seconds(nets: Networks, strategy: str, source: Source, speech: NDArray[np.float32], seed: int) -> float:
        assert len(speech) == 200
        order.append(strategy)
        return float(len(order))

    monkeypatch.setattr(timing.Networks, "load", lambda *_, **__: networks())
    monkeypatch.setattr(timing, "source_of", lambda *_: None)
    monkeypatch.setattr(timing, "seconds_of_video", seconds)
    timing.time_strategies(settings, paths)
    assert order == list(strategies()) * 6
    written = read_json(tmp_path / "timing.json")
    assert set(written["methods"]) == {"dawn", "sar", "ttr", "ar"}
    assert written["seconds"]["dawn"] == {"a1": [5.0, 9.0, 13.0, 17.0, 21.0]}  # the first is not counted
    assert written["methods"]["dawn"] == {"value": 13.0, "low": 5.0, "high": 21.0, "n": 5}
