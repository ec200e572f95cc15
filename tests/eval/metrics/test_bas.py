"""Beat alignment scores: canonical numbers, missing beats, the null, and the frame rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.extract.audio_beats import audio_beats
from eval.metrics import bas
from tests.support import canonical


def test_missing_beats_score_0_or_are_undefined() -> None:
    assert bas.bas([], [3.0]) == 0.0
    assert math.isnan(bas.bas([3.0], []))
    assert bas.fact_alignment([], [3.0]) == 0.0
    assert math.isnan(bas.fact_alignment([3.0], []))
    assert len(audio_beats(np.zeros(16000, np.float32))) == 0
    assert len(bas.motion_beats(np.full((50, 6), np.nan))) == 0
    assert len(bas.motion_beats(np.ones((50, 6)))) == 0


def test_each_form_scores_matching_beats_1_and_the_null_less() -> None:
    motions = [np.stack([10 * np.sin(np.arange(200) / k)] * 3, axis=1) for k in (8, 11)]
    for form in (bas.BAILANDO, bas.MINT, bas.SECONDS):
        beats = [form.beats(motion).astype(np.float64) for motion in motions]
        assert [form.score(motion, audio) for motion, audio in zip(beats, beats, strict=True)] == pytest.approx([1, 1])
        assert (bas.null(beats, beats, form) < 0.9).all()


def test_seconds_do_not_depend_on_the_frame_rate() -> None:
    slow, fast = np.asarray([10.0, 30.0]), np.asarray([20.0, 60.0])
    once = bas.SECONDS.score(slow, slow + 1, fps=25)
    assert bas.SECONDS.score(fast, fast + 2, fps=50) == pytest.approx(once)
    assert bas.BAILANDO.score(fast, fast + 2, fps=50) < bas.BAILANDO.score(slow, slow + 1, fps=25)


def test_lost_frames_do_not_move_the_beats() -> None:
    pose = np.stack([10 * np.sin(np.arange(100) / 8)] * 3, axis=1)
    holed = pose.copy()
    holed[[20, 21, 60]] = np.nan
    assert np.abs(bas.motion_beats(holed) - bas.motion_beats(pose)).max() <= 1


def test_null_leaves_out_the_clips_own_sound() -> None:
    motion = [np.asarray([10, 30]), np.asarray([20, 40])]
    sound = [np.asarray([10, 30]), np.asarray([20, 40])]
    null = bas.null(motion, sound)
    assert null[0] == pytest.approx(bas.bas(motion[0], sound[1]))
    assert null.max() < 0.1 < bas.bas(motion[0], sound[0])
    assert np.isnan(bas.null(motion[:1], sound[:1])).all()


@pytest.mark.parametrize("name", canonical.names("bas"))
def test_canonical_scores_and_beats(name: str) -> None:
    with canonical.case(name) as (label, case):
        if label == "empty_motion_beats":  # theirs ends in an error; a motion without beats is aligned with nothing
            assert case["error"].startswith("ValueError")
            assert bas.BAILANDO.score([], [3.0]) == 0.0
        elif label == "joints24":
            joints = np.cumsum(canonical.normal(73, 120, 24, 3) * 0.02, 0) + np.sin(np.arange(120) / 7)[:, None, None]
            assert bas.BAILANDO.beats(joints).tolist() == case["bailando_calc_db"]
            assert bas.MINT.beats(joints).tolist() == case["fact_motion_peaks_order10"]
            assert len(joints) - 1 == case["length"]
        elif label.startswith("head_pose"):
            turn = 2 * np.pi * np.arange(200) / 25
            yaw = 8 * np.sin(0.6 * turn) + 2 * np.sin(1.7 * turn + 1)
            pose = np.stack([yaw, 5 * np.sin(0.9 * turn + 0.5), 3 * np.sin(0.4 * turn + 2)], axis=1)
            beats = bas.motion_beats(pose + 0.05 * canonical.normal(case["seed"], 200, 3), case["gauss_sigma"])
            assert beats.tolist() == case["motion_beats"]
            sound = np.arange(6, 199, 13)
            assert bas.bas(beats, sound) == pytest.approx(case["bas_sigma3"], rel=1e-9)
            seconds = bas.SECONDS.score(beats, sound, fps=25)  # 50 ms are 1.25 frames
            assert seconds == pytest.approx(case["bas_sigma_1p25"], rel=1e-9)
        else:
            beats = case["motion_beats"], case["audio_beats"]
            assert bas.BAILANDO.score(*beats) == pytest.approx(case["bailando_BA"], rel=1e-12)
            assert bas.MINT.score(*beats) == pytest.approx(case["fact_alignment_score"], rel=1e-6)  # it is float32
