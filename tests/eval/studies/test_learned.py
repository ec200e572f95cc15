"""The quality report: correlation of motion, separation of intervals, PSNR, and videos without a face."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dawn.config import Config
from dawn.errors import InputError
from dawn.media.json_files import write_json
from dawn.media.tensor_files import save_arrays
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from dawn.paths import clip_file
from dawn.weights import MissingWeights
from eval.studies.learned import (
    correlation,
    correlation_check,
    detected_motion,
    mouth_opening,
    psnr_check,
    quality,
    separation_check,
)
from tests.support.clips import features_of


def test_correlation_of_known_signals() -> None:
    t = np.linspace(0, 6, 50)
    assert correlation(np.sin(t), 3 * np.sin(t) + 7) == pytest.approx(1)
    assert correlation(np.sin(t), -np.sin(t)) == pytest.approx(-1)
    assert correlation(np.sin(t), np.ones(50)) == 0
    assert correlation(np.sin(t), np.sin(t)[:30]) == pytest.approx(1)


def test_mouth_opening_does_not_depend_on_size_or_place() -> None:
    landmarks = np.random.default_rng(0).random((4, 68, 2)).astype(np.float32)
    assert mouth_opening(landmarks * 3 + 10) == pytest.approx(mouth_opening(landmarks), rel=1e-4)
    landmarks[:, [61, 62, 63]] = landmarks[:, [67, 66, 65]]
    assert mouth_opening(landmarks) == pytest.approx(np.zeros(4))


def test_motion_of_another_driver_does_not_pass() -> None:
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(60) for _ in range(9)]
    report = correlation_check(given, [g + 0.3 * rng.standard_normal(60) for g in given], 0.8)
    assert report["passed"]
    assert abs(report["baseline"]) < 0.2
    assert not correlation_check(given, given[1:] + given[:1], 0.8)["passed"]


def test_intervals_must_not_overlap() -> None:
    def scores(low: float, value: float, high: float) -> dict[str, object]:
        return {"metrics": {"fvd16": {"value": value, "low": low, "high": high}}}

    assert separation_check("fvd16", scores(1, 2, 3), "still", scores(4, 5, 6))["passed"]
    assert not separation_check("fvd16", scores(1, 2, 4.5), "still", scores(4, 5, 6))["passed"]
    with pytest.raises(InputError, match="lse_d_own was not measured"):
        separation_check("lse_d_own", scores(1, 2, 3), "still", scores(4, 5, 6))


def test_psnr_must_exceed_the_copy_by_the_margin(tmp_path: Path) -> None:
    for psnr, passed in ((26.1, True), (25.9, False)):
        write_json(tmp_path / "r.json", {"lfg": psnr, "copy": 20.0})
        assert psnr_check(tmp_path / "r.json")["passed"] is passed


def test_only_a_video_without_a_face_counts_as_not_following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent weights and missing or damaged videos stop the report with their reason."""
    write_video(tmp_path / "blank.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 5)  # neither a face nor audio
    assert detected_motion(tmp_path / "blank.mp4", Config()) is None
    (tmp_path / "damaged.mp4").write_bytes(b"no video")
    for name in ("damaged", "missing"):
        with pytest.raises(InputError, match=f"{name}.mp4"):
            detected_motion(tmp_path / f"{name}.mp4", Config())

    def absent(*_: object) -> None:
        raise MissingWeights("weights are not on this machine")

    monkeypatch.setattr("dawn.features.extract.Extractor", absent)
    with pytest.raises(MissingWeights, match="not on this machine"):
        detected_motion(tmp_path / "blank.mp4", Config())


def test_motion_is_detected_without_the_speech_encoder(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(*_: object) -> None:
        raise AssertionError("the speech encoder runs")

    monkeypatch.setattr("dawn.features.extract.encode", encode)
    frames = load_frames(real / "clips" / "grid_bbaf2n.mpg")[:5]
    write_video(tmp_path / "a.mp4", frames)
    track = detected_motion(tmp_path / "a.mp4", Config())
    assert track is not None and track.found.all() and track.pose.shape == (5, 6)


def test_a_run_whose_videos_show_no_face_fails_without_an_error(tmp_path: Path) -> None:
    clips, frames, rng = ["a", "b"], 10, np.random.default_rng(0)
    poses = {clip: rng.normal(size=(2, frames, 6)).astype(np.float32) for clip in clips}
    save_arrays(tmp_path / "motion.safetensors", poses, "head_motion", "{}")
    for clip in clips:
        landmarks = rng.uniform(5, 60, (frames, 68, 2)).astype(np.float32)
        features_of(frames, landmarks=landmarks, pose=poses[clip][0]).save(
            clip_file(tmp_path / "truth", clip, ".safetensors")
        )
        for method in ("dawn", "commanded"):
            noise = rng.uniform(-0.5, 0.5, frames * 640).astype(np.float32)
            write_video(tmp_path / method / f"{clip}.mp4", [np.full((64, 64, 3), 90, np.uint8)] * frames, audio=noise)
        save_file({"pose": poses[clip][0], "blink": np.ones((frames, 2))}, tmp_path / f"commanded/{clip}.safetensors")
    score = {"value": 2.0, "low": 1.0, "high": 3.0}
    write_json(tmp_path / "scores.json", {"metrics": dict.fromkeys(("lse_d_own", "fvd16", "fd_efficientnet"), score)})
    write_json(tmp_path / "reconstruction.json", {"lfg": 30.0, "copy": 20.0})
    report = quality(
        Config(),
        clips,
        truth=tmp_path / "truth",
        videos=tmp_path / "dawn",
        commanded=tmp_path / "commanded",
        head_motion=tmp_path / "motion.safetensors",
        reconstruction=tmp_path / "reconstruction.json",
        scores=dict.fromkeys(("dawn", "other_speech", "still"), tmp_path / "scores.json"),
    )
    checks = {name: check["passed"] for name, check in report.items() if isinstance(check, dict)}
    assert set(checks) == {
        *("lfg_psnr_db", "yaw_correlation", "pitch_correlation", "blink_correlation", "mouth_correlation"),
        *("lip_sync", "motion", "frames", "silence", "start_pose", "start_eyes"),
        *("seeds_correlation", "seeds_spread", "seeds_movement", "seeds_distance"),
    }
    assert report["passed"] is False and report["clips"] == 2
    assert not any(checks[name] for name in ("yaw_correlation", "silence", "start_pose", "start_eyes", "seeds_spread"))
    assert report["silence"]["left_out"] == 2 and report["start_pose"]["clips"] == [None, None]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
