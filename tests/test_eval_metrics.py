"""Lip sync, beats, blinks and similarity against canonical numbers and constructed cases."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawn.errors import InputError
from eval import bas, lse
from eval.blink import blink_count, blink_rate
from eval.csim import csim


@pytest.fixture(scope="module")
def vectors(metric_vectors: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((metric_vectors / "vectors.json").read_text())
    return loaded


# -------------------------------------------------------------------------------------------------------- lip sync
def _embeddings(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    name, t, d = case["name"], case["T"], case["D"]
    if name.startswith("constant"):
        video, audio = np.zeros((t, d)), np.zeros((t, d))
        video[:, 0], audio[:, 1] = 3, 4
        return video, audio
    seed = int(case["recipe"].split("RandomState(")[1].split(")")[0])
    rng = np.random.RandomState(seed)
    video, second = rng.randn(t, d), rng.randn(t, d)
    if name.startswith("random"):
        return video.astype(np.float32), second.astype(np.float32)
    shift = int(case["recipe"].split("roll(im,")[1].split(",")[0])
    return video.astype(np.float32), (np.roll(video, shift, axis=0) + 0.3 * second).astype(np.float32)


def test_lip_sync_numbers(vectors: dict[str, Any]) -> None:
    for case in vectors["lse"]["rows"]:
        got = lse.sync(*_embeddings(case), vshift=case["vshift"])
        assert got.lse_d == pytest.approx(case["lse_d"], rel=1e-5), case["name"]
        assert got.lse_c == pytest.approx(case["lse_c"], rel=1e-4), case["name"]
        if not case["name"].startswith("constant"):
            assert got.offset == case["offset"], case["name"]
            assert lse.distances(*_embeddings(case)) == pytest.approx(case["mdist"], rel=1e-5)


def test_mfcc_numbers_and_window_counts(vectors: dict[str, Any]) -> None:
    case = vectors["mfcc"]
    samples = (np.random.RandomState(61).randn(16000) * 3000).astype(np.int16)
    got = lse.mfcc((samples / 32768).astype(np.float32))
    assert list(got.shape) == case["shape"]
    assert got[0] == pytest.approx(case["first_row"], rel=1e-4)
    assert got.mean() == pytest.approx(case["mean"], rel=1e-5)
    for row in case["windows"]:
        assert lse.window_count(row["video_frames"], row["samples"]) == row["syncnet_windows"]


def test_sound_window_of_a_frame_starts_four_hops_later() -> None:
    hops = np.arange(100, dtype=np.float32)[:, None] + np.zeros(13, np.float32)
    windows = lse.audio_windows(hops, 20)
    assert windows.shape == (20, 13, 20)
    assert (windows[:, 0, 0] == 4 * np.arange(20)).all()
    assert (windows[3, 5] == 12 + np.arange(20)).all()


def test_lip_sync_refuses_unequal_lengths() -> None:
    with pytest.raises(InputError):
        lse.sync(np.zeros((5, 3)), np.zeros((6, 3)))
    assert lse.window_count(4, 100000) == 0


# ----------------------------------------------------------------------------------------------------------- beats
BEATS = ("exact", "off1", "off3", "mixed", "one_motion_beat")


@pytest.mark.parametrize("name", BEATS)
def test_beat_alignment_numbers(vectors: dict[str, Any], name: str) -> None:
    assert {case["name"] for case in vectors["bas"]["rows"]} == set(BEATS)
    (case,) = [case for case in vectors["bas"]["rows"] if case["name"] == name]
    beats = case["motion_beats"], case["audio_beats"]
    assert bas.bas(*beats) == pytest.approx(case["bailando_BA"], rel=1e-12)
    assert bas.fact_alignment(*beats) == pytest.approx(case["fact_alignment_score"], rel=1e-6)  # it is float32


def test_motion_beats_of_head_poses(vectors: dict[str, Any]) -> None:
    t = np.arange(200) / 25
    turn = 2 * np.pi * t
    columns = (
        8 * np.sin(0.6 * turn) + 2 * np.sin(1.7 * turn + 1),
        5 * np.sin(0.9 * turn + 0.5),
        3 * np.sin(0.4 * turn + 2),
    )
    for case in vectors["bas"]["head_pose"]["rows"]:
        pose = np.stack(columns, axis=1) + 0.05 * np.random.RandomState(case["seed"]).randn(200, 3)
        beats = bas.motion_beats(pose, case["gauss_sigma"])
        assert beats.tolist() == case["motion_beats"]
        assert bas.bas(beats, np.arange(6, 199, 13)) == pytest.approx(case["bas_sigma3"], rel=1e-9)


def test_beats_of_clicks_are_the_trackers() -> None:
    audio = np.zeros(8 * 16000, np.float32)
    click = np.sin(2 * np.pi * 1000 * np.arange(160) / 16000) * np.hanning(160)
    for start in np.arange(0.25, 8, 0.5):
        audio[int(start * 16000) : int(start * 16000) + 160] += click.astype(np.float32)
    beats = bas.audio_beats(audio) / 25
    assert len(beats) >= 12
    assert np.diff(beats) == pytest.approx(0.5, abs=0.04)  # the clicks' distance, in hops of 32 ms


def test_beats_that_are_not_there() -> None:
    assert bas.bas([], [3.0]) == 0.0
    assert math.isnan(bas.bas([3.0], []))
    assert bas.fact_alignment([], [3.0]) == 0.0
    assert math.isnan(bas.fact_alignment([3.0], []))
    assert len(bas.audio_beats(np.zeros(16000, np.float32))) == 0
    assert len(bas.motion_beats(np.full((50, 6), np.nan))) == 0
    assert len(bas.motion_beats(np.ones((50, 6)))) == 0


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
BLINKS = ("none", "three_x4", "one_frame_glitch", "two_frame", "truncated_tail", "noisy", "squint_.22")


def _ratios(case: dict[str, Any]) -> np.ndarray:
    kw = case["kw"]
    ratio = np.full(case["n"], 0.3)
    for start, length in case["blinks"]:
        ratio[start : start + length] = kw.get("closed", 0.08)
    return ratio


@pytest.mark.parametrize("name", BLINKS)
def test_fixed_thresholds_count_as_the_common_counter(vectors: dict[str, Any], name: str) -> None:
    assert {case["name"] for case in vectors["blink"]["rows"]} == set(BLINKS)
    (case,) = [case for case in vectors["blink"]["rows"] if case["name"] == name]
    for tail, counts in ((False, case["counts"]), (True, case["counts_with_tail"])):
        for key, want in counts.items():
            threshold, consecutive = key.removeprefix("thr").split("_consec")
            got = blink_count(
                _ratios(case), threshold=float(threshold), min_frames=int(consecutive), merge_gap=0, tail=tail
            )
            assert got == want, (key, tail)


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


def test_blink_rate_without_a_face_is_nothing() -> None:
    assert math.isnan(blink_rate(np.full((10, 2), np.nan)))
    with pytest.raises(InputError):
        blink_rate(np.zeros((10,)))


# ------------------------------------------------------------------------------------------------------ similarity
def test_similarity_pairs_frames() -> None:
    rng = np.random.RandomState(91)
    a = rng.randn(512)
    b = a + 0.5 * np.random.RandomState(92).randn(512)
    assert csim(a[None], b[None]).csim == pytest.approx(0.8856392255172055)
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
