"""Blinks per second: canonical counts, adaptive and fixed thresholds, and every counter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from eval.metrics import blink
from eval.metrics.blink import COUNTERS, blink_count, blink_rate
from tests.support import canonical


@pytest.mark.parametrize("name", canonical.names("blink"))
def test_canonical_counts_and_eye_aspect_ratios(name: str) -> None:
    with canonical.case(name) as (label, case):
        if label == "ear_6pt":
            points = np.zeros((68, 2), np.float32)
            points[36:42] = points[42:48] = case["points"]
            assert blink.lid_pair_means(points) == pytest.approx([case["ear"]] * 2, rel=1e-6)
            return
        if label == "dawn_calculate_eye":
            points = np.zeros((68, 2), np.float32)
            points[36:48] = case["landmarks_36_47"]
            assert eye_aspect_ratios(points) == pytest.approx([case["left"], case["right"]], rel=1e-6)
            assert blink.lid_pair_means(points) == pytest.approx([case["ear_left"], case["ear_right"]], rel=1e-6)
            return
        ratio = _ratios(case)
        assert ratio.sum() == pytest.approx(case["ear_sum"], rel=1e-9)
        for tail, counts in ((False, case["counts"]), (True, case["counts_with_tail"])):
            for key, want in counts.items():
                threshold, consecutive = key.removeprefix("thr").split("_consec")
                limits = {"threshold": float(threshold), "min_frames": int(consecutive)}
                assert blink.blink_count(ratio, **limits, merge_gap=0, tail=tail) == want, (key, tail)
        counter = blink.COUNTERS["ear6-0.20-2frames"]
        got = blink.blink_rate(np.stack([ratio, ratio], axis=1), counter=counter)
        assert got == pytest.approx(case["blink_per_s_thr0_2_consec2"])


def _ratios(case: canonical.Case) -> np.ndarray:
    ratio, options = np.full(case["n"], 0.3), case["kw"]
    for start, length in case["blinks"]:
        ratio[start : start + length] = options.get("closed", 0.08)
    return ratio + options["noise"] * canonical.normal(options["seed"], len(ratio)) if "noise" in options else ratio


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


def test_blink_rate_without_a_face_is_undefined() -> None:
    assert math.isnan(blink_rate(np.full((10, 2), np.nan)))
    with pytest.raises(InputError):
        blink_rate(np.zeros((10,)))
