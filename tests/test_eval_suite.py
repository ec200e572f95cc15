"""``dawn-eval`` on folders of real videos: numbers, reasons, reports that can be verified."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.video import write_video
from eval import pooling
from eval.backbones import efficientnet
from eval.bootstrap import draws
from eval.cache import Cache
from eval.kid import kid
from eval.parts import Choices
from eval.suite.command import main, presets
from eval.suite.folders import pairs_of
from eval.suite.metrics import METRICS
from eval.suite.report import evaluate

CLIPS = ("grid_lbax4n", "grid_lrwp9a")
CHEAP = "fd_efficientnet,blink,bas,fid,lse_d_own"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of the module's videos, each seen once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folders(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two people, and in the other folder one of them, that one without sound, and somebody without a partner."""
    root = tmp_path_factory.mktemp("suite")
    for side in ("real", "fake"):
        (root / side).mkdir()
    for name in CLIPS:
        shutil.copy(real / "clips" / f"{name}.mpg", root / "real")
    shutil.copy(real / "clips" / f"{CLIPS[0]}.mpg", root / "fake")
    y, x = np.mgrid[:64, :64]
    still = np.stack([x * 4, y * 4, x + y], axis=-1).astype(np.uint8)
    write_video(root / "fake" / f"{CLIPS[1]}.mp4", [still] * 20, fps=25)  # no face, no sound, too short for a rate
    write_video(root / "fake" / "other.mp4", [still] * 20, fps=25)
    (root / "fake" / "broken.mp4").write_bytes(b"no video")
    return root / "real", root / "fake"


def test_a_report_has_numbers_reasons_and_what_made_them(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*map(str, folders), "--metrics", CHEAP, "--cache", str(cache), "--resamples", "20"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "2 pairs" in shown and "fid: not computed: " in shown and "broken.mp4: " in shown
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["metrics"]) == {"fd_efficientnet", "blink", "bas"}
    assert set(report["not_computed"]) == {"fid", "lse_d_own"}
    assert report["only_fake"] == ["broken", "other"]
    blink = report["metrics"]["blink"]
    assert blink["n"] == 1 and blink["value"] <= blink["real"] * 2  # of the one video with a face
    assert blink["left_out"] == {"no face in any frame": 2, "cannot be read": 1}
    assert report["metrics"]["bas"]["left_out"] == {"no sound": 2, "cannot be read": 1}
    distance = report["metrics"]["fd_efficientnet"]
    assert distance["samples_real"] == 30 and distance["samples"] == 15 + 4 + 4
    assert distance["parts"][f"{efficientnet.NAME}:fifth"]["weights"].items() <= report["made"]["weights"].items()
    assert report["made"]["versions"]["torch"]
    with open(tmp_path / "clips.csv", encoding="utf-8", newline="") as stream:
        rows = {row["clip"]: row for row in csv.DictReader(stream)}
    assert rows[CLIPS[1]]["fake_sound"] == "False" and rows[CLIPS[0]]["fake_frames"] == "75"
    assert rows[CLIPS[0]]["real_sha256"] == rows[CLIPS[0]]["fake_sha256"]


def test_a_report_is_verified_or_what_differs_is_named(
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
    shutil.copy(folders[0] / f"{CLIPS[1]}.mpg", fake / "other.mpg")
    (fake / "other.mp4").unlink()
    assert main(["verify", str(tmp_path / "out" / "report.json"), *shared]) == 1
    said = capsys.readouterr().out
    assert f"video {fake / 'other.mp4'}: gone" in said
    assert "blink: n 1 in the report, 2 now" in said


def test_a_folder_compared_with_itself(folders: tuple[Path, Path], cache: Path) -> None:
    names = ["fd_efficientnet", "dr25_efficientnet", "blink", "bas"]
    report = evaluate(folders[0], folders[0], names, Choices(), Cache(cache), resamples=20)
    found = report["metrics"]
    assert found["fd_efficientnet"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["dr25_efficientnet"]["value"] == 0
    for name in ("blink", "bas"):
        assert found[name]["value"] == pytest.approx(found[name]["real"])


def test_methods_are_compared_on_the_same_clips(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["--cache", str(cache)]
    for name, fake in (("a", folders[0]), ("b", folders[1])):
        arguments = [str(folders[0]), str(fake), "--metrics", "fd_efficientnet,blink", "--resamples", "20", *shared]
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), *shared]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert float(rows["fd_efficientnet"][1]) == pytest.approx(0, abs=1e-6)
    assert float(rows["fd_efficientnet"][3]) < -10
    assert rows["fd_efficientnet"][-2:] == ["cannot", "tell"]  # without the still one nothing differs
    assert rows["blink"][6] == "1"  # one clip has a face in both


def test_shares_fill_the_cache_and_hold_no_numbers(folders: tuple[Path, Path], tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for index in range(2):
        report = evaluate(folders[0], folders[0], ["blink"], Choices(), cache, shard=(index, 2))
        assert report["metrics"] == {}
        assert len({path.parent for path in tmp_path.rglob("mesh*")}) == index + 1


def test_pairs_have_the_same_name(tmp_path: Path) -> None:
    for name in ("real/a.mp4", "real/sub/b.mkv", "fake/a.webm", "fake/sub/b.mp4", "fake/c.mp4", "fake/.hidden.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pairs = pairs_of(tmp_path / "real", tmp_path / "fake")
    assert [(pair.name, pair.real is not None, pair.fake is not None) for pair in pairs] == [
        ("a", True, True),
        ("c", False, True),
        ("sub/b", True, True),
    ]
    (tmp_path / "fake/a.mp4").touch()
    with pytest.raises(InputError, match="two videos of one name"):
        pairs_of(tmp_path / "real", tmp_path / "fake")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{here}", "{here}", "--metrics", "fad"], "no metric is called 'fad'"),
        (["{here}", "{here}", "--preset", "best"], "no preset is called 'best'"),
        (["{here}/nowhere", "{here}"], "no such folder"),
        (["{here}", "{here}"], "holds no video"),
        (["verify", "{here}/none.json"], "none.json"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([one.format(here=tmp_path) for one in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_presets_name_metrics() -> None:
    for name, preset in presets().items():
        assert preset["about"] and preset["metrics"], name
        assert set(preset["metrics"]) <= set(METRICS)


def test_kid_of_clips_is_that_of_their_rows() -> None:
    rng = np.random.default_rng(0)
    real, fake = ([rng.normal(shift, 1, (n, 6)) for n in (5, 0, 9)] for shift in (0.0, 0.4))
    found = pooling.kernel_distance(real, fake, draws(3, 50, 0), 0.95)
    assert found is not None
    assert found["value"] == pytest.approx(kid(np.concatenate(real), np.concatenate(fake)))
    # Drawn once each, the resampled value is the value.
    once = pooling.kernel_distance(real, fake, np.ones((1, 3), np.int64), 0.95)
    assert once is not None and once["low"] == pytest.approx(once["value"]) == pytest.approx(once["high"])
