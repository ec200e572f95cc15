"""Scores of folders of videos: values, provenance, and what is recorded of every clip."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from dawn import config as settings
from dawn.config import DEFAULT_METRICS
from dawn.errors import InputError
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from eval.backbones.syncnet import SyncNet
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import TRAINED_LIP_SYNC
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import computed
from eval.stats.bootstrap import draws
from eval.studies.run_scores import RunExtractors, measure
from eval.studies.run_settings import settings_fingerprint
from tests.support.fake_features import CONFIG, NAMES, spec_of


def _run(videos: Path, out: Path, method: str, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "names": NAMES,
        "syncnet": videos / "sync",
        "cache": FeatureCache(out.parent / "cache"),
    } | changes
    config = given.pop("config", CONFIG)
    fake = videos / ("real" if method == "gt" else method)
    return measure(config, real=videos / "real", fake=fake, method=method, out=out, **given)


@pytest.mark.usefixtures("quick")
def test_only_requested_metrics_are_measured(videos: Path, tmp_path: Path) -> None:
    whole = _run(videos, tmp_path / "whole", "dawn")["metrics"]
    few = _run(videos, tmp_path / "few", "dawn", metrics=["bas", "dr25_efficientnet"])["metrics"]
    assert few == {key: whole[key] for key in ("bas", "bas_null", "dr25_efficientnet")}


@pytest.mark.usefixtures("quick")
def test_scores_have_intervals_counts_and_provenance(videos: Path, tmp_path: Path) -> None:
    true = _run(videos, tmp_path / "gt", "gt")
    generated = _run(videos, tmp_path / "dawn", "dawn")
    assert json.loads((tmp_path / "dawn" / "scores.json").read_text()) == generated
    assert true["metrics"]["csim_dlib"]["value"] == pytest.approx(1)
    assert "fvd16" not in true["metrics"]
    for entry in generated["metrics"].values():
        assert entry["low"] <= entry["value"] <= entry["high"]
        assert entry["n"] == len(NAMES)
        assert entry["backbone"]
    assert generated["metrics"]["fvd16"]["samples"] == 2 * len(NAMES)
    assert "fvd32" not in generated["metrics"]  # no clip holds two windows' worth here
    assert generated["provenance"]["settings"] == settings_fingerprint(CONFIG)
    assert generated["provenance"]["versions"]["torch"]
    rows = list(csv.DictReader((tmp_path / "dawn" / "clips.csv").open()))
    worse = generated["metrics"]["dr25_efficientnet"]
    assert worse["value"] == pytest.approx(worse["end"] / worse["start"] - 1)
    assert (worse["n"], worse["short"], worse["overlapping"]) == (len(NAMES), 0, len(NAMES))
    assert "dr50_efficientnet" not in generated["metrics"]  # no clip is that long
    assert [row["clip"] for row in rows] == NAMES
    assert float(rows[0]["blink_per_s"]) == pytest.approx(3 / (32 / 25), rel=1e-6)


@pytest.mark.usefixtures("quick")
def test_a_missing_video_is_an_error(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nobody.mp4: missing"):
        _run(videos, tmp_path / "x", "gt", names=["nobody"])


def test_real_networks_measure_a_real_clip(real: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    SyncNet(48, 0.25).save(tmp_path / "sync.safetensors")
    frames = load_frames(real / "clips" / "grid_bbaf2n.mpg")[:20, :, 36:324]
    small = [cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA) for frame in frames]
    tone = 0.3 * np.sin(np.arange(12800) / 9).astype(np.float32)
    write_video(tmp_path / "a.mp4", small, audio=tone)
    write_video(tmp_path / "empty.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 20, audio=tone)
    weights, metrics = tmp_path / "sync.safetensors", computed(DEFAULT_METRICS)
    extractors = RunExtractors(CONFIG, weights, FeatureCache(tmp_path / "cache"), metrics)
    face, blank = (video.features for video in extractors.extract([tmp_path / "a.mp4", tmp_path / "empty.mp4"]))
    assert face["mesh"]["found"].all()
    shapes = {key: face[spec_of(key)]["rows"].shape for key in ("fvd16", "fvd32", "fd_efficientnet", "csim_dlib")}
    assert shapes == {"fvd16": (1, 400), "fvd32": (0, 400), "fd_efficientnet": (4, 1280), "csim_dlib": (4, 128)}
    lip_sync = face[TRAINED_LIP_SYNC.name]
    assert lip_sync["lips"].shape == lip_sync["sound"].shape == (15, 256)
    assert all(np.isfinite(array).all() for arrays in face.values() for array in arrays.values())
    assert not blank["mesh"]["found"].any()
    assert np.isnan(blank[spec_of("csim_dlib")]["rows"]).all()
    assert len(blank[TRAINED_LIP_SYNC.name]["lips"]) == 0
    clips = ClipSet([face], [blank], draws(1, 5, 0), 0.95, 0)
    results = {metric.name: metric.compute(clips) for metric in metrics if metric.per_clip and metric.compute}
    assert set(results) == {"lse_c_own", "lse_d_own", "csim_dlib", "bas", "blink"}
    assert all(np.isnan(result.clips).all() for result in results.values())
    assert results["csim_dlib"].columns == {"csim_failed": [4]}

    few = RunExtractors(
        CONFIG, weights, FeatureCache(tmp_path / "other"), computed(["dr25_efficientnet", "bas"]), metrics
    )
    (video,) = few.extract([tmp_path / "a.mp4"])
    assert set(video.features) == {"video", "mesh", "beats", spec_of("fd_efficientnet")}
    np.testing.assert_array_equal(
        video.features[spec_of("fd_efficientnet")]["rows"], face[spec_of("fd_efficientnet")]["rows"]
    )
    assert few.weights == extractors.weights  # so that rows with fewer metrics fit into the same table
    wrong = settings.parse({"evaluate": {"syncnet": {"side": 64, "train": {"steps": 1}}}})
    with pytest.raises(InputError, match="side 48"):
        RunExtractors(wrong, weights, FeatureCache(tmp_path / "cache"), metrics)
