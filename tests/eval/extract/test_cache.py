"""The cache of features: each is computed once for a content and a setting, and again if its file is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.extract import features as extraction
from eval.extract.cache import FeatureCache
from eval.extract.features import FeatureExtractors
from eval.extract.spec import Arrays, ExtractorOptions, Features, FeatureSpec
from eval.extract.video import DecodedVideo


class _Counted:
    """A feature that counts how often it is computed."""

    def __init__(self, setting: int = 0) -> None:
        self.calls = 0
        self.spec = FeatureSpec("mean", lambda _: {"setting": setting}, lambda _: self._run)

    def _run(self, video: DecodedVideo, _: Features) -> Arrays:
        self.calls += 1
        mean: NDArray[np.float64] = video.frames.mean(axis=(1, 2))
        return {"rows": mean}

    def extractors(self, cache: FeatureCache) -> FeatureExtractors:
        return FeatureExtractors([self.spec], ExtractorOptions(), cache)


def test_a_feature_is_computed_once_for_each_content_and_setting(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, counted = FeatureCache(tmp_path / "cache"), _Counted()
    first = counted.extractors(cache).extract([video])
    copy = tmp_path / "renamed.mp4"
    copy.write_bytes(video.read_bytes())
    monkeypatch.setattr(extraction, "decode_video", None)  # nothing is decoded again
    again = counted.extractors(cache).extract([copy, video])
    assert counted.calls == 1
    assert (again.videos[copy].features["mean"]["rows"] == first.videos[video].features["mean"]["rows"]).all()
    assert again.videos[copy].sha256 == first.videos[video].sha256
    monkeypatch.undo()
    other = _Counted(setting=1)
    other.extractors(cache).extract([video])
    assert other.calls == 1


def test_a_damaged_file_of_the_cache_is_computed_again(video: Path, tmp_path: Path) -> None:
    cache, counted = FeatureCache(tmp_path / "cache"), _Counted()
    counted.extractors(cache).extract([video])
    (file,) = (tmp_path / "cache").rglob("mean*.safetensors")
    file.write_bytes(b"cut")
    assert len(counted.extractors(cache).extract([video]).videos[video].features["mean"]["rows"]) == 10
    assert counted.calls == 2
    assert not [path for path in (tmp_path / "cache").rglob(".*") if path.is_file()]  # no partial file is left
