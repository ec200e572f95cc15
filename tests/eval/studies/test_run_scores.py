"""From folders of videos to scores, table, figure and page; and that scores of different provenance are never mixed."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from dawn import config as settings
from dawn.config import DEFAULT_METRICS, Config
from dawn.errors import InputError
from dawn.media.json_files import write_json
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from eval.backbones.syncnet import SyncNet
from eval.cli import main
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import TRAINED_LIP_SYNC
from eval.extract.features import VideoFeatures
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import Metric, computed, get_metric
from eval.report.tables import notes, read_figures, write_tables
from eval.stats.bootstrap import draws
from eval.studies import run_scores
from eval.studies.clip_list import read_names
from eval.studies.run_scores import RunExtractors, measure
from eval.studies.run_settings import settings_digest

NAMES = ["anna_0", "anna_1", "ben_0"]
CONFIG = settings.parse(
    {"evaluate": {"bootstrap": 50, "threads": 1, "syncnet": {"side": 48, "width": 0.25, "train": {"steps": 1}}}}
)


def spec_of(metric: str) -> str:
    """Name of the feature that a metric is computed from."""
    return get_metric(metric).fake[0].name


class FakeExtractors:
    """In place of the networks: small arrays that follow from a video's pixels."""

    def __init__(
        self,
        config: Config,
        weights: Path,
        cache: FeatureCache,
        requested: Sequence[Metric],
        measured: Sequence[Metric] = (),
    ) -> None:
        self.weights = {"net": weights.read_text()}

    def extract(self, videos: Sequence[Path], label: str = "") -> list[VideoFeatures]:
        return [VideoFeatures("", self._features(video)) for video in videos]

    def _features(self, video: Path) -> dict[str, dict[str, np.ndarray]]:
        frames = load_frames(video)
        rng = np.random.default_rng(int(frames.astype(np.int64).sum()))
        n, t = len(frames), np.arange(len(frames))
        points = np.tile(rng.uniform(5, 25, (68, 2)), (n, 1, 1)).astype(np.float32)
        for corners, lids in (((42, 45), (43, 47)), ((36, 39), (37, 41))):  # eyes 10 pixels wide
            points[:, corners[0]], points[:, corners[1]] = (0, 0), (10, 0)
            points[:, lids[0]], points[:, lids[1]] = 0, 0
            points[:, lids[0], 1] = np.where(t % 15 < 2, 0.5, 3)
        pose = np.stack([np.sin(t / 3 + k) for k in range(6)], axis=1).astype(np.float32)
        level = frames.mean(axis=(1, 2))
        found = np.ones(n, np.bool_)
        return {
            "video": {"samples": np.asarray(n * 640)},
            "mesh": {"landmarks": points, "pose": pose, "found": found, "faces": found.astype(np.int64)},
            "beats": {"audio_beats": np.asarray([4.0, 12.0])},
            spec_of("fvd16"): {"rows": np.stack([level[i : i + 16].std(0) for i in range(0, n - 15, 16)])},
            spec_of("fvd32"): {"rows": np.empty((0, 3))},
            spec_of("fd_efficientnet"): {"rows": level[::5]},
            spec_of("csim_dlib"): {"rows": level[::5] + 1},
            spec_of("lse_d_own"): {
                "lips": rng.normal(size=(n - 5, 4)),
                "sound": rng.normal(size=(n - 5, 4)),
                "coverage": np.asarray(1.0),
            },
        }


def _write(folder: Path, name: str, seed: int, noise: int = 0) -> None:
    t, y, x = np.meshgrid(np.arange(32), np.arange(32), np.arange(32), indexing="ij")
    grey = 120 + 60 * np.sin((x + seed * 3 + t) / 5) + noise * np.sin(y / 2)
    write_video(folder / f"{name}.mp4", np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate(NAMES):
        _write(root / "real", name, seed)
        _write(root / "dawn", name, seed, noise=20)
        _write(root / "still", name, 0)
    (root / "clips.csv").write_text("clip,identity\n" + "".join(f"{name},x\n" for name in NAMES))
    (root / "sync").write_text("weights 1")
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
    assert made["provenance"]["settings"] == settings_digest(CONFIG)
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


def test_settings_digest_ignores_what_moves_no_number() -> None:
    same = settings.parse(CONFIG.model_dump() | {"evaluate": CONFIG.evaluate.model_dump() | {"threads": 7}})
    other = settings.parse(CONFIG.model_dump() | {"evaluate": CONFIG.evaluate.model_dump() | {"seed": 7}})
    assert settings_digest(same) == settings_digest(CONFIG) != settings_digest(other)


# --------------------------------------------------------------------------------------------------------- tables
@pytest.fixture
def scored(videos: Path, tmp_path: Path, quick: None) -> dict[str, Path]:
    _run(videos, tmp_path / "gt", "gt")
    for method in ("still", "dawn"):
        _run(videos, tmp_path / method, method)
    return {method: tmp_path / method for method in ("gt", "still", "dawn")}


def test_table_stands_beside_the_papers_rows(scored: dict[str, Path], tmp_path: Path) -> None:
    figures = write_tables(CONFIG, scored, tmp_path / "table1")
    assert read_figures(tmp_path / "table1.csv")[0].metric == figures[0].metric
    assert len(read_figures(tmp_path / "table1.csv")) == len(figures)
    paper = [figure for figure in figures if figure.source == "paper"]
    assert {figure.dataset for figure in paper} == {"crema", "hdtf"}
    assert [f.value for f in paper if (f.dataset, f.method, f.metric) == ("hdtf", "dawn", "fvd16")] == [60.34]
    assert not {f.metric for f in paper} & {"csim_dlib", "lse_c_own", "lse_d_own", "fd_efficientnet"}
    assert not {f.metric for f in figures if f.source == "ours"} & {"fid", "csim", "lse_c", "lse_d"}
    nested = json.loads((tmp_path / "table1.json").read_text())
    assert list(nested) == sorted(scored)
    assert isinstance(nested["dawn"]["fvd16"], float)
    markdown = (tmp_path / "table1.md").read_text()
    heads, rule, *rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert "CSIM (dlib)" in heads and "CSIM (ArcFace)" in heads
    assert all(row.count("|") == heads.count("|") == rule.count("|") for row in rows)
    assert "| demo | DAWN |" in markdown and "| hdtf (paper) | DAWN |" in markdown
    assert "| 158.85 |" in markdown and "| 0.032 |" in markdown  # the paper's figures as it prints them
    assert "i3d-kinetics400-logits" in markdown
    ours = next(f for f in figures if (f.method, f.metric, f.source) == ("dawn", "fvd16", "ours"))
    assert ours.samples == 2 * len(NAMES) and ours.bias is None  # three clips are too few to know it
    latex = (tmp_path / "table1.tex").read_text()
    assert latex.count(r"\\") == 1 + len(rows)
    assert latex.startswith(r"\begin{tabular}") and r"\toprule" in latex


def test_table_says_what_is_expected_from_few_samples(scored: dict[str, Path], tmp_path: Path) -> None:
    path = scored["dawn"] / "scores.json"
    scores = json.loads(path.read_text())
    scores["metrics"]["fvd16"] |= {"value": 268.81, "bias": 101.26, "samples": 64}
    path.write_text(json.dumps(scores))
    write_tables(CONFIG, scored, tmp_path / "t")
    said = "FVD16: expected from the number of samples alone (64): DAWN 101.3 of 268.8."
    assert said in (tmp_path / "t.md").read_text()
    tidy = csv.DictReader((tmp_path / "t.csv").open())
    rows = {(row["method"], row["metric"]): row for row in tidy if row["source"] == "ours"}
    assert (rows["dawn", "fvd16"]["samples"], rows["dawn", "fvd16"]["bias"]) == ("64", "101.26")


def test_table_says_how_much_of_the_corpus_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data" / CONFIG.corpus.name / "coverage.json"
    place.parent.mkdir(parents=True)
    sentence = f"Corpus {CONFIG.corpus.name}: 301 of 355 listed videos could be had, 340 of 436 clips."
    for videos in (None, {"listed": 355, "had": 301}):
        write_json(place, {"clips": {"listed": 436, "had": 340}, "videos": videos})
        assert (sentence in notes(CONFIG, [])) == (videos is not None)


def test_table_asks_for_one_data_set_of_the_paper(scored: dict[str, Path], tmp_path: Path) -> None:
    tree = CONFIG.model_dump()
    tree["evaluate"]["paper_dataset"] = "crema"
    tree["evaluate"]["metrics"] = ["fvd16", "bas"]
    figures = write_tables(settings.parse(tree), scored, tmp_path / "t")
    assert {f.dataset for f in figures if f.source == "paper"} == {"crema"}
    assert {f.metric for f in figures if f.source == "ours"} == {"fvd16", "bas", "bas_null"}


@pytest.mark.parametrize("key", ["settings", "clips", "real", "weights", "code"])
def test_table_refuses_scores_of_other_causes(scored: dict[str, Path], tmp_path: Path, key: str) -> None:
    path = scored["dawn"] / "scores.json"
    scores = json.loads(path.read_text())
    scores["provenance"][key] = "something else"
    path.write_text(json.dumps(scores))
    with pytest.raises(InputError, match="measure"):
        write_tables(CONFIG, scored, tmp_path / "t")
    assert not (tmp_path / "t.csv").exists()


def test_table_refuses_swapped_or_missing_scores(scored: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given as 'dawn'"):
        write_tables(CONFIG, {"dawn": scored["still"]}, tmp_path / "t")
    with pytest.raises(InputError):
        write_tables(CONFIG, {"dawn": tmp_path / "nowhere"}, tmp_path / "t")
    with pytest.raises(InputError, match="at least one"):
        write_tables(CONFIG, {}, tmp_path / "t")


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
    write_tables(CONFIG, {method: paths.scores(method) for method in ("gt", "dawn")}, table.with_suffix(""))
    verify = ["verify", str(table), "--cache", str(tmp_path)]
    assert main(verify) == 0
    shutil.copy(videos / "still" / "anna_1.mp4", paths.videos("dawn") / "anna_1.mp4")
    capsys.readouterr()
    assert main(verify) == 1
    said = capsys.readouterr().out
    assert "dawn: video anna_1: changed since the table" in said and "dawn: measured: " in said
    assert "dawn: fvd16 " in said and "gt: " not in said


# ---------------------------------------------------------------------------------------------- commands, pictures
def test_commands_make_table_picture_and_page(
    videos: Path, tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.dump())
    common = ["--config", str(config), "--real", str(videos / "real"), "--clips", str(videos / "clips.csv")]
    judge = ["--syncnet", str(videos / "sync")]
    for method in ("gt", "dawn"):
        fake = [] if method == "gt" else ["--fake", str(videos / method)]
        assert main(["score", *common, *judge, *fake, "--method", method, "--out", str(tmp_path / method)]) == 0
    scores = [f"{method}={tmp_path / method}" for method in ("gt", "dawn")]
    assert main(["tables", "--config", str(config), "--scores", *scores, "--out", str(tmp_path / "table1")]) == 0
    made = ["--videos", f"dawn={videos / 'dawn'}", f"still={videos / 'still'}"]
    picture, page = tmp_path / "samples.png", tmp_path / "index.html"
    assert main(["samples", *common[2:], *made, "--count", "2", "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = tmp_path / "again.png"
    assert main(["samples", *common[2:], *made, "--count", "2", "--out", str(again)]) == 0
    assert again.read_bytes() == picture.read_bytes()
    table = ["--table", str(tmp_path / "table1.csv"), "--picture", str(picture)]
    assert main(["page", *common, *made, *table, "--out", str(page)]) == 0
    html = page.read_text()
    assert html.count("<video") == 3 * len(NAMES)
    assert "http" not in html.replace("data:image", "")
    links = [part.split('"')[0] for part in html.split('preload="metadata" src="')[1:]]
    assert all((page.parent / link).resolve().is_file() for link in links)
    assert capsys.readouterr().err.count("dawn-eval:") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score", "--clips", "c", "--syncnet", "s", "--method", "dawn", "--real", "r", "--out", "o"], "--fake"),
        (["tables", "--scores", "dawn", "--out", "o"], "NAME=DIR"),
        (["samples", "--clips", "absent.csv", "--real", "r", "--videos", "a=b", "--out", "o.png"], "absent.csv"),
        (["page", "--clips", "c", "--real", "r", "--videos", "a=b", "--table", "absent", "--out", "o"], "absent"),
    ],
)
def test_bad_input_is_one_line_and_exit_two(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "demo.yaml").write_text(CONFIG.dump())
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("dawn-eval: ") and said in error


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
