"""``dawn-eval`` on folders of real videos: numbers, reasons, and a folder against itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from dawn.media.video_writer import write_video
from eval.backbones.syncnet import SyncNet
from eval.cli import main
from eval.extract.rates import SAMPLES_PER_FRAME
from eval.metrics import fd_efficientnet
from eval.studies.evaluate import evaluate
from eval.studies.perturb import read_clip
from tests.support.real_clips import GRID

CHEAP = "fd_efficientnet,blink,bas,csim_dlib,dr25_efficientnet,fid,lse_d_own"


def test_a_report_has_numbers_reasons_and_provenance(
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
    assert rows[GRID[1]]["fake_sound"] == "False" and rows[GRID[0]]["fake_frames"] == "75"
    assert rows[GRID[0]]["real_sha256"] == rows[GRID[0]]["fake_sha256"]


def test_a_folder_compared_with_itself_has_distances_of_0(folders: tuple[Path, Path], cache: Path) -> None:
    names = ["fd_efficientnet", "dr25_efficientnet", "blink", "bas"]
    report = evaluate(folders[0], folders[0], names, cache=cache, resamples=20)
    found = report.data["metrics"]
    assert found["fd_efficientnet"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["dr25_efficientnet"]["value"] == 0
    for name in ("blink", "bas"):
        assert found[name]["value"] == pytest.approx(found[name]["real"])


def test_shares_fill_the_cache_and_report_no_numbers(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for index, videos in enumerate((2, 3)):  # of four videos one cannot be read
        report = evaluate(folders[0], folders[0], ["blink"], cache=tmp_path, shard=(index, 2))
        assert report.data["metrics"] == {}
        assert len({path.parent for path in tmp_path.rglob("mesh*")}) == videos


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{here}", "{here}", "--metrics", "fad"], "no metric is called 'fad'"),
        (["{here}", "{here}", "--preset", "best"], "no preset is called 'best'"),
        (["{here}/nowhere", "{here}"], "no such folder"),
        (["{here}", "{here}"], "contains no video"),
        (["verify", "{here}/none.json"], "none.json: no such file"),
        (["mesure", "{here}", "{here}"], "mesure: neither a command nor a folder; did you mean 'measure'?"),
        (["measure", "{here}"], "'dawn-eval measure --help' shows usage"),
        (["{here}", "{here}", "--seed", "-1"], "seed: must be an integer from 0"),
        (["{here}", "{here}", "--out", "/dev/null/report"], "/dev/null is a file, not a folder"),
    ],
)
def test_bad_input_is_one_line_of_error(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([one.format(here=tmp_path) for one in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_real_folder_against_itself_has_the_best_values(real: Path, tmp_path: Path) -> None:
    for name in GRID:
        clip = read_clip(real / "clips" / f"{name}.mpg")
        write_video(tmp_path / f"real/{name}.mp4", clip.frames[:32], audio=clip.audio[: 32 * SAMPLES_PER_FRAME])
    torch.manual_seed(0)
    SyncNet(48, 0.25).save(tmp_path / "sync.safetensors")
    names = ["fd_efficientnet", "fvd16", "fvd32", "csim_dlib", "blink", "dr25_efficientnet", "offset_own"]
    folder, weights = tmp_path / "real", tmp_path / "sync.safetensors"
    report = evaluate(folder, folder, names, syncnet=weights, cache=tmp_path / "cache", resamples=10).data
    assert not report["not_computed"]
    values = {key: entry["value"] for key, entry in report["metrics"].items()}
    for key in ("fvd16", "fvd32", "fd_efficientnet"):
        assert values[key] == pytest.approx(0, abs=1e-6), key
    assert values["csim_dlib"] == pytest.approx(1, abs=1e-6)
    assert values["dr25_efficientnet"] == 0
    assert report["metrics"]["csim_dlib"]["frames_without_face"] == 0
    for key in ("blink", "offset_own"):
        assert values[key] == report["metrics"][key]["real"], key
    assert all(entry["n"] == len(GRID) for entry in report["metrics"].values())
