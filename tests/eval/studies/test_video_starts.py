"""The first frame of a generated video, next to its source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.extract import track_face
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from eval.studies.video_starts import detected_start, start_checks, start_of

SOURCES = [np.array([10.0 * k, -5.0 * k, 0.0, 0.3]) for k in range(3)]


def test_the_largest_angle_counts() -> None:
    offset = np.array([-2.0, 2.9, 0.0, 0.04])
    checks = start_checks(SOURCES, [source + offset for source in SOURCES])
    assert checks["start_pose"]["value"] == pytest.approx(2.9) and checks["start_pose"]["passed"]
    assert checks["start_eyes"]["value"] == pytest.approx(0.04) and checks["start_eyes"]["passed"]
    assert checks["start_pose"]["clips"] == pytest.approx([2.9] * 3)
    assert checks["start_pose"]["baseline"] == pytest.approx(8)  # 8, 8 and 22
    far = start_checks(SOURCES, [source - 2 * offset for source in SOURCES])
    assert not far["start_pose"]["passed"] and not far["start_eyes"]["passed"]


def test_a_pose_of_another_clip_does_not_pass() -> None:
    assert not start_checks(SOURCES, [*SOURCES[1:], SOURCES[0]])["start_pose"]["passed"]


def test_videos_without_a_face_do_not_pass() -> None:
    one = start_checks(SOURCES, [None, *SOURCES[1:]])["start_pose"]
    assert one["passed"] and one["clips"] == [None, 0.0, 0.0]
    for check in start_checks(SOURCES, [None, None, SOURCES[2]]).values():
        assert check["value"] is None and not check["passed"] and "no face" in check["reason"]
        assert json.loads(json.dumps(check, allow_nan=False)) == check


def test_the_first_frame_is_measured_as_in_the_features(real: Path, tmp_path: Path) -> None:
    frames = load_frames(real / "clips" / "grid_bbaf2n.mpg")[:3]
    write_video(tmp_path / "a.mp4", frames)
    track = track_face(tmp_path / "a.mp4", Config().features)
    start = detected_start(tmp_path / "a.mp4", Config())
    assert start is not None
    assert start == pytest.approx(start_of(track.pose[0], track.blink[0]), abs=1e-6)
    write_video(tmp_path / "blank.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 2)
    assert detected_start(tmp_path / "blank.mp4", Config()) is None
    with pytest.raises(InputError, match=r"missing\.mp4"):
        detected_start(tmp_path / "missing.mp4", Config())
