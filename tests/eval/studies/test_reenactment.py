"""Reenactment: motion transferred to another portrait, missing videos, and the pairs of the baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.config import Config
from dawn.errors import InputError
from dawn.generation.driving import Source, transfer_pose_blink
from eval.studies.reenactment import cross_identity_pairs, measure_reenactment


def test_angles_are_the_drivers_and_place_and_eyes_start_as_the_portraits() -> None:
    rng = np.random.default_rng(0)
    pose, blink = rng.random((9, 6), np.float32), rng.random((9, 2), np.float32)
    source = Source(
        np.zeros((8, 8, 3), np.uint8), np.full(6, 7, np.float32), np.full(2, 2, np.float32), np.zeros(4, np.float32)
    )
    new_pose, new_blink = transfer_pose_blink(pose, blink, source, 6)
    assert new_pose.shape == (6, 6)
    assert new_pose[:, :3] == pytest.approx(pose[:6, :3])
    assert new_pose[0, 3:] == pytest.approx(source.pose[3:])
    assert new_blink[0] == pytest.approx(source.blink)
    assert np.diff(new_pose, axis=0) == pytest.approx(np.diff(pose[:6], axis=0), abs=1e-5)


def test_a_missing_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json: missing; generate the videos with 'dawn videos reenact'"):
        measure_reenactment(Config(), ["a"], tmp_path, tmp_path / "out.json")


def test_the_baseline_is_a_video_of_another_driver() -> None:
    assert cross_identity_pairs(["x", "x", "y", "x"]) == [2, 2, 3, 2]
