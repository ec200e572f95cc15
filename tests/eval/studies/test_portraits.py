"""Checks of videos that have a portrait and sound, but no true clip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.csv_files import read_rows
from dawn.media.image import write_image
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from eval.cli import main
from eval.studies.portraits import RATE, PortraitRow, loudness, measure_portraits, portrait_checks
from tests.support.real_clips import GRID


def _row(portrait: str, recording: str, **given: Any) -> PortraitRow:
    usual: dict[str, Any] = {
        "frames": 75,
        "csim": 0.97,
        "mouth_correlation": 0.6,
        "mouth_shifted": 0.0,
        "mouth_deviation": 0.03,
        "head_deviation": 3.0,
        "found": 1.0,
    }
    return PortraitRow(portrait, recording, **(usual | given))


def test_usual_videos_pass() -> None:
    report = portrait_checks([_row(portrait, recording) for portrait in "abc" for recording in "xy"])
    assert report["passed"] and report["videos"] == 6
    assert report["mouth_correlation"]["recordings"] == {"x": 0.6, "y": 0.6}
    assert report["head_deviation"]["value"] == [3.0, 3.0]


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("identity", {"csim": 0.92}),
        ("head_deviation", {"head_deviation": 1.9}),
        ("head_deviation", {"head_deviation": 6.1}),
    ],
)
def test_one_video_fails_a_check_of_all(check: str, given: dict[str, float]) -> None:
    rows = [_row("a", "x", **given), _row("b", "x"), _row("c", "x")]
    report = portrait_checks(rows)
    assert not report[check]["passed"] and not report["passed"]
    assert all(report[other]["passed"] for other in ("mouth_correlation", "mouth_deviation"))


def test_mouths_are_checked_for_each_recording() -> None:
    rows = [_row(portrait, "x") for portrait in "abc"] + [_row(portrait, "y") for portrait in "ab"]
    rows.append(_row("c", "y", mouth_correlation=-0.5, mouth_deviation=0.001))  # one of three: the median stays
    assert portrait_checks(rows)["passed"]
    rows[3] = _row("a", "y", mouth_correlation=0.3, mouth_deviation=0.01)
    report = portrait_checks(rows)
    assert report["mouth_correlation"]["recordings"] == {"x": 0.6, "y": 0.3}
    assert report["mouth_deviation"]["value"] == 0.01
    assert not report["mouth_correlation"]["passed"] and not report["mouth_deviation"]["passed"]


def test_a_video_without_a_face_fails() -> None:
    nothing = dict.fromkeys(
        ("csim", "mouth_correlation", "mouth_shifted", "mouth_deviation", "head_deviation"), float("nan")
    )
    report = portrait_checks([_row("a", "x"), _row("b", "x", **nothing)])
    assert not any(report[check]["passed"] for check in ("identity", "mouth_correlation", "head_deviation"))
    assert report["identity"]["value"] is None
    json.dumps(report, allow_nan=False)


def test_loudness_is_that_of_each_frame() -> None:
    sound = np.zeros(3 * RATE, np.float32)
    sound[RATE : 2 * RATE] = 0.5
    loud = loudness(sound, 75)
    assert loud.shape == (75,)
    assert loud[:20] == pytest.approx(0) and loud[30:45] == pytest.approx(0.5) and loud[55:] == pytest.approx(0)
    assert loudness(sound[: RATE * 2], 75)[55:] == pytest.approx(0)  # sound that ends before the video


def test_a_real_clip_is_measured_against_its_first_frame(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in GRID[:2]:
        clip = real / "clips" / f"{name}.mpg"
        frames = load_frames(clip)
        write_image(tmp_path / f"{name}.png", frames[0])
        write_video(videos / f"{name}-own.mp4", frames, audio=read_audio(clip, RATE), sample_rate=RATE)
    portraits = [str(tmp_path / f"{name}.png") for name in GRID[:2]]
    assert main(["portraits", str(videos), "--portraits", *portraits, "--out", str(tmp_path / "report")]) == 0
    assert "identity: 0.99" in capsys.readouterr().out
    rows = list(read_rows(tmp_path / "report" / "portraits.csv"))
    assert [(row["portrait"], row["recording"]) for row in rows] == [(name, "own") for name in sorted(GRID[:2])]
    for row in rows:
        assert float(row["csim"]) > 0.98 and float(row["found"]) == 1
        assert 0.03 < float(row["mouth_deviation"]) < 0.09 and float(row["head_deviation"]) < 2
        assert float(row["mouth_correlation"]) > float(row["mouth_shifted"])
    report = json.loads((tmp_path / "report" / "portraits.json").read_text())
    assert report["identity"]["passed"] and not report["head_deviation"]["passed"]  # heads of this corpus rest
    assert (tmp_path / "report" / "frames.png").is_file()
    assert {row["portrait"] for row in read_rows(tmp_path / "report" / "frames.csv")} == set(GRID[:2])


def test_videos_without_a_portrait_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no videos"):
        measure_portraits(tmp_path, [], tmp_path / "report")
    write_video(tmp_path / "eve-speech.mp4", [np.zeros((64, 64, 3), np.uint8)] * 2)
    with pytest.raises(InputError, match=r"eve-speech\.mp4: of none of the given portraits"):
        measure_portraits(tmp_path, [tmp_path / "adam.png"], tmp_path / "report")
    assert not (tmp_path / "report").exists()
