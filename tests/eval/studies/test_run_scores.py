"""Scores of folders of videos: values, provenance, and what is recorded of every clip."""

from __future__ import annotations

import csv
import json
import shutil
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
from dawn.paths import Paths
from eval.backbones.syncnet import SyncNet
from eval.cli import main
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import TRAINED_LIP_SYNC
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import computed
from eval.report.tables import write_table1
from eval.stats.bootstrap import draws
from eval.studies import run_scores
from eval.studies.clip_list import read_names
from eval.studies.run_scores import RunExtractors, measure
from eval.studies.run_settings import settings_fingerprint
from tests.support.fake_features import CONFIG, NAMES, FakeExtractors, spec_of, write_videos


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    write_videos(root)
    return root


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_scores, "RunExtractors", FakeExtractors)


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
def test_what_is_not_asked_for_is_not_measured(videos: Path, tmp_path: Path) -> None:
    whole = _run(videos, tmp_path / "whole", "dawn")["metrics"]
    few = _run(videos, tmp_path / "few", "dawn", metrics=["bas", "dr25_efficientnet"])["metrics"]
    assert few == {key: whole[key] for key in ("bas", "bas_null", "dr25_efficientnet")}


@pytest.mark.usefixtures("quick")
def test_scores_say_what_how_and_from_how_many(videos: Path, tmp_path: Path) -> None:
    true = _run(videos, tmp_path / "gt", "gt")
    made = _run(videos, tmp_path / "dawn", "dawn")
    assert json.loads((tmp_path / "dawn" / "scores.json").read_text()) == made
    assert true["metrics"]["csim_dlib"]["value"] == pytest.approx(1)
    assert "fvd16" not in true["metrics"]
    for entry in made["metrics"].values():
        assert entry["low"] <= entry["value"] <= entry["high"]
        assert entry["n"] == len(NAMES)
        assert entry["backbone"]
    assert made["metrics"]["fvd16"]["samples"] == 2 * len(NAMES)
    assert "fvd32" not in made["metrics"]  # no clip holds two windows' worth here
    assert made["provenance"]["settings"] == settings_fingerprint(CONFIG)
    assert made["provenance"]["versions"]["torch"]
    rows = list(csv.DictReader((tmp_path / "dawn" / "clips.csv").open()))
    worse = made["metrics"]["dr25_efficientnet"]
    assert worse["value"] == pytest.approx(worse["end"] / worse["start"] - 1)
    assert (worse["n"], worse["short"], worse["overlapping"]) == (len(NAMES), 0, len(NAMES))
    assert "dr50_efficientnet" not in made["metrics"]  # no clip is that long
    assert [row["clip"] for row in rows] == NAMES
    assert float(rows[0]["blink_per_s"]) == pytest.approx(3 / (32 / 25), rel=1e-6)


@pytest.mark.usefixtures("quick")
def test_a_missing_video_is_named(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nobody.mp4: missing"):
        _run(videos, tmp_path / "x", "gt", names=["nobody"])


def test_settings_fingerprint_ignores_what_moves_no_number() -> None:
    same = settings.parse(CONFIG.model_dump() | {"evaluate": CONFIG.evaluate.model_dump() | {"threads": 7}})
    other = settings.parse(CONFIG.model_dump() | {"evaluate": CONFIG.evaluate.model_dump() | {"seed": 7}})
    assert settings_fingerprint(same) == settings_fingerprint(CONFIG) != settings_fingerprint(other)


def test_a_table_is_verified_or_the_changed_video_is_named(
    videos: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths.of(CONFIG)
    for folder, there in (("real", paths.clips), ("dawn", paths.videos("dawn"))):
        shutil.copytree(videos / folder, there)
    shutil.copy(videos / "clips.csv", paths.run / "test.csv")
    shutil.copy(videos / "sync", paths.run / "syncnet.safetensors")
    (paths.run / "config.yaml").write_text(CONFIG.dump())
    judge, cache = paths.run / "syncnet.safetensors", FeatureCache(tmp_path)
    for method, made in (("gt", paths.clips), ("dawn", paths.videos("dawn"))):
        given = {"real": paths.clips, "fake": made, "method": method, "out": paths.scores(method)}
        measure(CONFIG, names=NAMES, syncnet=judge, cache=cache, **given)
    table = paths.run / "table1.json"
    write_table1(CONFIG, {method: paths.scores(method) for method in ("gt", "dawn")}, table.with_suffix(""))
    verify = ["verify", str(table), "--cache", str(tmp_path)]
    assert main(verify) == 0
    shutil.copy(videos / "still" / "anna_1.mp4", paths.videos("dawn") / "anna_1.mp4")
    capsys.readouterr()
    assert main(verify) == 1
    said = capsys.readouterr().out
    assert "dawn: video anna_1: changed since the table" in said and "dawn: measured: " in said
    assert "dawn: fvd16 " in said and "gt: " not in said


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


# ---------------------------------------------------------------------------------------------- the real networks
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
