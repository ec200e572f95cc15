"""Features of videos: equal for every batch size, and a reason for each that is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.backbones import batches
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import AUDIO_BEATS, frame_embeddings
from eval.extract.features import FeatureExtractors
from eval.extract.spec import ExtractorOptions


def test_features_do_not_depend_on_the_batch_size(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = frame_embeddings("efficientnet-lite0-1280", 5, "fifth")
    rows, fingerprints = [], []
    for batch in (1, 16):
        monkeypatch.setattr(batches, "CPU_IMAGES", batch)
        extractors = FeatureExtractors([spec], ExtractorOptions(), FeatureCache(tmp_path / str(batch)))
        assert not extractors.missing
        fingerprints.append(extractors.resolved[spec.name].fingerprint)
        rows.append(extractors.extract([video]).videos[video].features[spec.name]["rows"])
    assert fingerprints[0] == fingerprints[1]
    assert rows[0] == pytest.approx(rows[1], abs=1e-5)


def test_absent_weights_and_unreadable_videos_do_not_stop_the_others(
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
