"""Degradation rate: canonical rates, lengths of clips, intervals, and real frames."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.video import load_frames
from eval.backbones.efficientnet import EfficientNetLite0
from eval.metrics.degradation import degradation, rate
from tests.support import canonical
from tests.support.real_clips import GRID


def _clips(lengths: list[int], worse: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 6)) + worse * np.arange(n)[:, None] / n for n in lengths]


def test_worse_ends_raise_the_rate_and_better_ones_lower_it() -> None:
    real, worse = _clips([100] * 12), _clips([100] * 12, 1.0, seed=1)
    got = degradation(real, worse, 25, resamples=100)
    assert 0 < got.low < got.value < got.high
    back = degradation([a[::-1] for a in real], [b[::-1] for b in worse], 25, resamples=100)
    assert back.value == pytest.approx(1 / (1 + got.value) - 1)
    assert (back.start, back.end) == pytest.approx((got.end, got.start))


def test_a_folder_against_itself_does_not_degrade() -> None:
    real = _clips([60] * 5)
    got = degradation(real, real, 25, resamples=50)
    assert (got.value, got.low, got.high, got.start, got.end) == (0, 0, 0, 0, 0)


def test_short_clips_and_overlapping_windows_are_counted() -> None:
    lengths = [100, 49, 24, 50, 30]
    got = degradation(_clips(lengths), _clips(lengths, 1.0, seed=1), 25, resamples=20)
    assert (got.clips, got.short, got.overlapping) == (4, 1, 2)
    none = degradation(_clips([20] * 3), _clips([20] * 3), 25)
    assert math.isnan(none.value)
    assert (none.clips, none.short) == (0, 3)


def test_the_windows_end_with_the_shorter_side() -> None:
    real, fake = _clips([80] * 6), _clips([80] * 6, 1.0, seed=1)
    cut = degradation([a[:60] for a in real], [b[:60] for b in fake], 25, resamples=10)
    assert degradation(real, [b[:60] for b in fake], 25, resamples=10) == cut


def test_the_end_of_a_video_longer_than_its_clip_counts() -> None:
    real, fake = _clips([30] * 8), _clips([120] * 8, 2.0, seed=1)
    got = degradation(real, fake, 25, reference="all", resamples=10)
    assert (got.clips, got.short, got.overlapping) == (8, 0, 0)
    assert got.value > degradation(real, [b[:60] for b in fake], 25, reference="all", resamples=10).value > 0


def test_intervals_without_degradation_contain_zero_as_often_as_stated() -> None:
    inside = 0
    for seed in range(40):
        got = degradation(_clips([60] * 20, seed=seed), _clips([60] * 20, 0, seed=900 + seed), 25, resamples=100)
        inside += got.low <= 0 <= got.high
    assert inside >= 32


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="pairs of clips"):
        degradation(_clips([50]), _clips([50, 50]), 25)
    with pytest.raises(InputError, match="one of matched, all"):
        degradation(_clips([50]), _clips([50]), 25, reference="first")
    with pytest.raises(InputError, match="distances"):
        rate(float("nan"), 1)
    assert rate(0, 1) == math.inf


@pytest.mark.parametrize("name", canonical.names("degradation_rate"))
def test_canonical_rates(name: str) -> None:
    with canonical.case(name) as (label, case):
        if label.startswith("formula"):
            assert rate(case["fid_st"], case["fid_ed"]) == pytest.approx(case["dr"], abs=1e-12)
            return
        real = canonical.normal(31, 30, 100, 12)
        fake = canonical.normal(32, 30, 100, 12) * 1.05 + (np.arange(100) / 100 * 0.6)[None, :, None]
        for reference, start, end, dr in (
            ("matched", "fid_st", "fid_ed", "dr_matched_window_reference"),
            ("all", "fid_st_allref", "fid_ed_allref", "dr_all_frames_reference"),
        ):
            got = degradation(list(real), list(fake), case["n"], reference=reference, resamples=1)
            assert (got.start, got.end) == pytest.approx((case[start], case[end]), rel=1e-9)
            assert got.value == pytest.approx(case[dr], rel=1e-8)


def test_degradation_of_real_frames_is_defined(real: Path) -> None:
    net = EfficientNetLite0()
    read = [load_frames(real / "clips" / f"{name}.mpg")[:26] for name in GRID]
    true = [net(frames) for frames in read]
    same = degradation(true, true, 25, resamples=5)
    assert (same.value, same.clips, same.short, same.overlapping) == (0, 2, 0, 2)
    worse = [rows + np.linspace(0, 0.2, len(rows), dtype=np.float32)[:, None] for rows in true]
    assert degradation(true, worse, 25, resamples=5).value > 0
    too_short = degradation(true, true, 50, resamples=5)
    assert math.isnan(too_short.value)
    assert (too_short.clips, too_short.short) == (0, 2)
