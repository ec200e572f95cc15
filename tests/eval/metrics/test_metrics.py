"""Lip sync, beats, blinks and similarity against canonical numbers and constructed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dawn.errors import InputError
from eval.extract import lip_windows
from eval.extract.audio_beats import audio_beats
from eval.metrics import bas, lse
from eval.metrics.blink import COUNTERS, blink_count, blink_rate
from eval.metrics.csim import csim

# -------------------------------------------------------------------------------------------------------- lip sync


def test_sound_window_of_a_frame_starts_four_hops_later() -> None:
    hops = np.arange(100, dtype=np.float32)[:, None] + np.zeros(13, np.float32)
    windows = lip_windows.audio_windows(hops, 20)
    assert windows.shape == (20, 13, 20)
    assert (windows[:, 0, 0] == 4 * np.arange(20)).all()
    assert (windows[3, 5] == 12 + np.arange(20)).all()


def test_lip_sync_refuses_unequal_lengths() -> None:
    with pytest.raises(InputError):
        lse.sync(np.zeros((5, 3)), np.zeros((6, 3)))
    assert lip_windows.window_count(4, 100000) == 0


# ----------------------------------------------------------------------------------------------------------- beats


def test_beats_that_are_not_there() -> None:
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


# ---------------------------------------------------------------------------------------------------------- blinks


def test_adaptive_threshold_follows_the_face() -> None:
    ratio = np.full(100, 0.22)
    ratio[[10, 11, 12, 40, 41, 70]] = 0.1
    assert blink_count(ratio) == 2  # one frame is no blink
    assert blink_count(ratio * 0.5) == 2
    assert blink_count(ratio, threshold=0.25) == 1  # a fixed one takes narrow eyes for closed


def test_a_flicker_is_one_blink_and_an_open_end_counts() -> None:
    ratio = np.full(50, 0.3)
    ratio[[10, 11, 13, 14]] = 0.05
    assert blink_count(ratio) == 1
    assert blink_count(ratio, merge_gap=0) == 2
    ratio[48:] = 0.05
    assert blink_rate(np.stack([ratio, ratio], axis=1)) == pytest.approx(2 / 2.0)


def test_every_counter_counts_a_plain_blink() -> None:
    height = np.full(50, 0.9)
    height[20:24] = 0.05
    points = np.zeros((50, 68, 2), np.float32)
    for first in (36, 42):
        x, side = [0, 1, 2, 3, 2, 1], [0, 1, 1, 0, -1, -1]
        points[:, first : first + 6, 0] = x
        points[:, first : first + 6, 1] = height[:, None] / 2 * side
    for name, counter in COUNTERS.items():
        assert counter.rate(points) == pytest.approx(0.5), name


def test_blink_rate_without_a_face_is_nothing() -> None:
    assert math.isnan(blink_rate(np.full((10, 2), np.nan)))
    with pytest.raises(InputError):
        blink_rate(np.zeros((10,)))


# ------------------------------------------------------------------------------------------------------ similarity
def test_similarity_pairs_frames() -> None:
    frames = np.random.default_rng(0).normal(size=(6, 128))
    assert csim(frames, frames).csim == pytest.approx(1.0)
    assert csim(frames, frames[::-1]).csim < 0.5


def test_similarity_reports_what_it_could_not_compare() -> None:
    frames = np.random.default_rng(0).normal(size=(4, 8))
    lost = frames.copy()
    lost[1] = np.nan
    got = csim(frames, lost[:3])
    assert (got.compared, got.failed) == (2, 1)
    assert got.csim == pytest.approx(1.0)
    assert math.isnan(csim(frames, np.full((4, 8), np.nan)).csim)
    with pytest.raises(InputError):
        csim(frames, frames[:, :5])
