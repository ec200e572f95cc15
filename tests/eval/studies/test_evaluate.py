"""``dawn-eval`` on folders of real videos: numbers, reasons, reports that can be verified."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.video_writer import write_video
from eval.cli import main
from eval.extract.video_pairs import pairs_of
from eval.metrics import fd_efficientnet
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import METRICS, presets
from eval.stats import aggregate
from eval.stats.bootstrap import draws
from eval.stats.frechet import frechet
from eval.stats.kid import kid
from eval.studies.compare import _means
from eval.studies.evaluate import evaluate

CLIPS = ("grid_lbax4n", "grid_lrwp9a")
CHEAP = "fd_efficientnet,blink,bas,csim_dlib,dr25_efficientnet,fid,lse_d_own"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of the module's videos, each seen once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folders(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two people, and in the other folder one of them, a still without sound for the other, and on both sides one
    without a partner and one that cannot be read."""
    root = tmp_path_factory.mktemp("suite")
    for side in ("real", "fake"):
        (root / side).mkdir()
    for name in CLIPS:
        shutil.copy(real / "clips" / f"{name}.mpg", root / "real")
    shutil.copy(real / "clips" / f"{CLIPS[0]}.mpg", root / "fake")
    y, x = np.mgrid[:64, :64]
    still = np.stack([x * 4, y * 4, x + y], axis=-1).astype(np.uint8)
    for name in (
        f"fake/{CLIPS[1]}",
        "fake/other",
        "fake/torn",
        "real/alone",
    ):  # no face, no sound, too short for a rate
        write_video(root / f"{name}.mp4", [still] * 20, fps=25)
    for name in ("fake/broken", "real/torn"):
        (root / f"{name}.mp4").write_bytes(b"no video")
    return root / "real", root / "fake"


def test_a_report_has_numbers_reasons_and_what_made_them(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*map(str, folders), "--metrics", CHEAP, "--cache", str(cache), "--resamples", "20"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "3 pairs" in shown and "fid: not computed: " in shown and "broken.mp4: " in shown
    assert "dr25_efficientnet: distance at the start 0, at the end 0, from true frames: matched" in shown
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["metrics"]) == {"fd_efficientnet", "blink", "bas", "csim_dlib", "dr25_efficientnet"}
    assert set(report["not_computed"]) == {"fid", "lse_d_own"}
    assert report["only_fake"] == ["broken", "other"] and report["only_real"] == ["alone"]
    blink = report["metrics"]["blink"]
    assert blink["n"] == 1 and blink["value"] <= blink["real"] * 2  # of the one video with a face
    unlike = {"no video of that name": 1, "cannot be read": 1}
    assert blink["left_out"] == {"no face in any frame": 3} | unlike
    assert report["metrics"]["bas"]["left_out"] == {"no sound": 3} | unlike
    distance = report["metrics"]["fd_efficientnet"]
    assert (distance["samples_real"], distance["samples"]) == (30 + 4, 15 + 3 * 4)
    assert (distance["n_real"], distance["n"]) == (3, 4)
    assert distance["left_out"] == {"generated one: cannot be read": 1, "true one: cannot be read": 1}
    apart = {
        "true one: no video of that name": 2,
        "true one: cannot be read": 1,
        "generated one: no video of that name": 1,
    }
    assert report["metrics"]["csim_dlib"]["left_out"] == {"no face in any frame": 1} | apart
    assert report["metrics"]["dr25_efficientnet"]["left_out"] == {"too short": 1} | apart
    assert distance["parts"][f"{fd_efficientnet.NETWORK}:fifth"]["weights"].items() <= report["made"]["weights"].items()
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


def test_fresh_features_are_compared_with_those_of_the_cache(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cache whose files were exchanged gives the same wrong number again; computed anew, it shows."""
    real = tmp_path / "real"
    real.mkdir()
    for name in CLIPS:
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


def test_a_folder_compared_with_itself(folders: tuple[Path, Path], cache: Path) -> None:
    names = ["fd_efficientnet", "dr25_efficientnet", "blink", "bas"]
    report = evaluate(folders[0], folders[0], names, cache=cache, resamples=20)
    found = report.data["metrics"]
    assert found["fd_efficientnet"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["dr25_efficientnet"]["value"] == 0
    for name in ("blink", "bas"):
        assert found[name]["value"] == pytest.approx(found[name]["real"])


def test_methods_are_compared_on_the_same_clips(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["--cache", str(cache)]
    for name, fake in (("a", folders[0]), ("b", folders[1])):
        metrics = "fd_efficientnet,blink,dr25_efficientnet" + (",bas" if name == "a" else "")
        arguments = [str(folders[0]), str(fake), "--metrics", metrics, "--resamples", "20", *shared]
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    out = tmp_path / "differences.csv"
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out), *shared]) == 0
    assert "bas: not compared, in the second report: not requested" in capsys.readouterr().out
    with open(out, encoding="utf-8", newline="") as stream:
        rows = {row["metric"]: row for row in csv.DictReader(stream)}
    assert float(rows["fd_efficientnet"]["first"]) == pytest.approx(0, abs=1e-6)
    assert float(rows["fd_efficientnet"]["difference"]) < -10
    assert rows["fd_efficientnet"]["better"] == "cannot tell"  # without the still one nothing differs
    assert rows["fd_efficientnet"]["n"] == "2"  # the torn one is in neither
    assert rows["blink"]["n"] == "1"  # one clip has a face in both
    assert (rows["dr25_efficientnet"]["n"], float(rows["dr25_efficientnet"]["difference"])) == ("1", 0)
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    report["metrics"]["blink"]["parts"]["mesh"]["weights"]["face-mesh"] = "0" * 64
    (tmp_path / "b" / "report.json").write_text(json.dumps(report))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), *shared]) == 2
    assert "blink: the two reports differ in weights of mesh" in capsys.readouterr().err


def test_a_video_that_moves_as_its_driver_follows_it(
    folders: tuple[Path, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver, other = (str(folders[0] / f"{name}.mpg") for name in CLIPS)
    shared = ["--cache", str(cache)]
    assert main(["follow", driver, driver, other, "--out", str(tmp_path / "r.csv"), *shared]) == 0
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as stream:
        same, stranger = csv.DictReader(stream)
    assert int(same["frames"]) == 75
    for signal in ("yaw", "pitch", "roll", "blink", "mouth"):
        assert float(same[signal]) == pytest.approx(1)
        assert float(stranger[signal]) < 0.8
    assert "median" in capsys.readouterr().out
    still = folders[1] / "other.mp4"
    assert main(["follow", driver, str(still), *shared]) == 2
    assert f"{still}: a face in 0 of the frames" in capsys.readouterr().err


def test_shares_fill_the_cache_and_hold_no_numbers(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for index, videos in enumerate((2, 3)):  # of four videos one cannot be read
        report = evaluate(folders[0], folders[0], ["blink"], cache=tmp_path, shard=(index, 2))
        assert report.data["metrics"] == {}
        assert len({path.parent for path in tmp_path.rglob("mesh*")}) == videos


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
        (["{here}", "{here}"], "contains no video"),
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


def test_the_better_of_two_is_nearer_to_the_true_clips() -> None:
    """By the clips that count in both, and the true values of just these."""
    rows = [
        [{"blink": a, "blink_true": true} for a, true in zip(values, (1.0, 1.2, 1.1, 9.0), strict=True)]
        for values in ((1.0, 1.1, 1.2, 9.0), (2.0, 2.3, 2.1, None))
    ]
    found = _means(METRICS["blink"], rows, draws(4, 200, 0), 0.95)
    assert (found.n, found.better) == (3, "first")
    assert found.difference == pytest.approx((1.0 + 1.1 + 1.2 - 2.0 - 2.3 - 2.1) / 3)
    assert _means(METRICS["blink"], rows[::-1], draws(4, 200, 0), 0.95).better == "second"


def test_each_protocol_divides_as_it_says() -> None:
    """StyleGAN-V's covariance is divided by the count, others' by the count less one."""
    rng = np.random.default_rng(0)
    features = [[rng.normal(shift, 1, (1, 400)).astype(np.float32) for _ in range(9)] for shift in (0, 1)]
    counts = draws(9, 5, 0)
    for name, ddof in (("fvd_stylegan_v_16", 0), ("fvd_common_metrics_16", 1), ("fvd16", 1)):
        metric = METRICS[name]
        real, fake = (
            [{specs[0].name: {"rows": rows}} for rows in side]
            for specs, side in zip((metric.real, metric.fake), features, strict=True)
        )
        assert metric.compute is not None
        found = metric.compute(ClipSet(real, fake, counts, 0.95, 0)).aggregate
        assert found is not None
        sides = [np.concatenate(side) for side in features]
        assert found.entry["value"] == pytest.approx(frechet(*sides, ddof)), name


def test_kid_of_clips_is_that_of_their_rows() -> None:
    rng = np.random.default_rng(0)
    real, fake = ([rng.normal(shift, 1, (n, 6)) for n in (5, 0, 9)] for shift in (0.0, 0.4))
    found = aggregate.kernel_distance(real, fake, draws(3, 50, 0), 0.95)
    assert found is not None
    assert found.entry["value"] == pytest.approx(kid(np.concatenate(real), np.concatenate(fake)))
    assert (found.entry["n"], found.entry["n_real"]) == (2, 2)
    # Drawn once each, the resampled value is the value.
    once = aggregate.kernel_distance(real, fake, np.ones((1, 3), np.int64), 0.95)
    assert once is not None
    assert once.entry["low"] == pytest.approx(once.entry["value"]) == pytest.approx(once.entry["high"])
