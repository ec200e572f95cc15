"""Verification of reports and tables: unchanged ones pass, and each difference is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dawn.paths import Paths
from eval.cli import main
from eval.extract.cache import FeatureCache
from eval.report.tables import write_table1
from eval.studies.run_scores import measure
from tests.support.fake_features import CONFIG, NAMES
from tests.support.real_clips import GRID


def test_an_unchanged_report_passes_and_differences_are_named(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "fake"
    shutil.copytree(folders[1], fake)
    (fake / "broken.mp4").unlink()
    shared = ["--cache", str(cache)]
    arguments = [str(folders[0]), str(fake), "--metrics", "blink", "--resamples", "20", *shared]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "out"), *shared]) == 0
    assert capsys.readouterr().out.endswith("out: the same\n")
    shutil.copy(folders[0] / f"{GRID[1]}.mpg", fake / "other.mpg")
    (fake / "other.mp4").unlink()
    assert main(["verify", str(tmp_path / "out" / "report.json"), *shared]) == 1
    said = capsys.readouterr().out
    assert f"video {fake / 'other.mp4'}: gone" in said
    assert "blink: n 1 in the report, 2 now" in said


def test_fresh_features_are_compared_with_those_of_the_cache(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cache whose files were exchanged gives the same wrong number again; computed anew, it shows."""
    real = tmp_path / "real"
    real.mkdir()
    for name in GRID:
        shutil.copy(folders[0] / f"{name}.mpg", real)
    shared = ["--cache", str(tmp_path / "cache")]
    measured = [str(real), str(real), "--metrics", "blink", "--resamples", "5", "--out", str(tmp_path / "out"), *shared]
    assert main([*measured[:-2], "--cache", str(cache)]) == 0
    shutil.copytree(cache, tmp_path / "cache")
    shas = [row["real_sha256"] for row in json.loads((tmp_path / "out" / "report.json").read_text())["clips"]]
    first, second = (next((tmp_path / "cache").rglob(f"*{sha}*/mesh*")) for sha in shas)
    shutil.copy(first, second.parent / second.name)
    assert main(measured) == 0
    assert main(["verify", str(tmp_path / "out"), *shared]) == 0
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "out"), "--fresh", *shared]) == 1
    assert "blink: value" in capsys.readouterr().out


def test_a_table_without_its_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table1.json").write_text('{"dawn": {"fvd16": 1.0}}')
    assert main(["verify", str(tmp_path / "table1.json")]) == 2
    assert f"{tmp_path}/config.yaml is missing; give the run's folder (--run)" in capsys.readouterr().err


def test_an_unchanged_table_passes_and_a_changed_video_is_named(
    videos: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths.of(CONFIG)
    for name, there in (("real", paths.clips), ("dawn", paths.videos("dawn"))):
        shutil.copytree(videos / name, there)
    shutil.copy(videos / "clips.csv", paths.run / "test.csv")
    shutil.copy(videos / "sync", paths.run / "syncnet.safetensors")
    (paths.run / "config.yaml").write_text(CONFIG.dump())
    syncnet, cache = paths.run / "syncnet.safetensors", FeatureCache(tmp_path)
    for method, folder in (("gt", paths.clips), ("dawn", paths.videos("dawn"))):
        given = {"real": paths.clips, "fake": folder, "method": method, "out": paths.scores(method)}
        measure(CONFIG, names=NAMES, syncnet=syncnet, cache=cache, **given)
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
