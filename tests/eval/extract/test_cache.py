"""Features are computed once for each video and specification, whatever the batch size; absent ones state the
reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.media.video_writer import write_video
from eval.extract import features as extraction
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import AUDIO_BEATS, frame_embeddings
from eval.extract.features import FeatureExtractors
from eval.extract.spec import Arrays, ExtractorOptions, Features, FeatureSpec
from eval.extract.video import DecodedVideo, decode_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = [np.full((32, 48, 3), 5 * k, np.uint8) for k in range(20)]
    write_video(tmp_path / "a.mp4", frames, fps=50, audio=np.zeros(6400, np.float32))
    return tmp_path / "a.mp4"


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


def test_frames_follow_the_rule_and_leave_nothing(video: Path) -> None:
    with decode_video(video) as decoded:
        assert decoded.frames.shape == (10, 32, 48, 3)
        assert decoded.fps == pytest.approx(50)
        assert decoded.frames[:, 16, 24, 0] == pytest.approx(np.arange(10) * 10, abs=3)
        assert len(decoded.audio) == pytest.approx(6400, abs=1024)


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


def test_batches_change_nothing_beyond_rounding(video: Path, tmp_path: Path) -> None:
    spec = frame_embeddings("efficientnet-lite0-1280", 5, "fifth")
    rows, fingerprints = [], []
    for batch in (1, 16):
        extractors = FeatureExtractors([spec], ExtractorOptions(batch=batch), FeatureCache(tmp_path / str(batch)))
        assert not extractors.missing
        fingerprints.append(extractors.resolved[spec.name].fingerprint)
        rows.append(extractors.extract([video]).videos[video].features[spec.name]["rows"])
    assert fingerprints[0] == fingerprints[1]
    assert rows[0] == pytest.approx(rows[1], abs=1e-5)


def test_absent_weights_and_unreadable_videos_stop_nothing(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAWN_WEIGHTS", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    specs = [frame_embeddings("inception-fid"), AUDIO_BEATS]
    extractors = FeatureExtractors(specs, ExtractorOptions(), FeatureCache(tmp_path / "cache"))
    result = extractors.extract([video, broken])
    assert "not on this machine" in extractors.missing["inception-fid:frames"]
    assert set(result.videos[video].features) == {"video", "beats"}
    assert list(result.unreadable) == [broken]
