"""Bootstrap over clips: resampled distances, intervals and means."""

from __future__ import annotations

import numpy as np
import pytest

from dawn.errors import InputError
from eval.stats import bootstrap
from eval.stats.frechet import frechet


def _clips(clips: int, windows: int, dims: int, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    real = [rng.normal(size=(windows, dims)) + rng.normal(size=dims) for _ in range(clips)]
    return real, [clip + 0.5 * rng.normal(size=clip.shape) + 0.3 for clip in real]


@pytest.mark.parametrize(("windows", "dims", "ddof"), [(4, 40, 1), (30, 5, 1), (4, 40, 0), (30, 5, 0)])
def test_resampled_distance_is_the_distance_of_the_repeated_clips(windows: int, dims: int, ddof: int) -> None:
    real, fake = _clips(5, windows, dims)
    counts = np.asarray([[2, 0, 1, 1, 1], [1, 1, 1, 1, 1], [5, 0, 0, 0, 0]])
    clip_of_row = np.repeat(np.arange(5), windows)
    weighted = bootstrap.WeightedFrechet(np.concatenate(real), np.concatenate(fake), ddof)
    for count in counts:
        a = np.concatenate([clip for clip, times in zip(real, count, strict=True) for _ in range(times)])
        b = np.concatenate([clip for clip, times in zip(fake, count, strict=True) for _ in range(times)])
        assert weighted.distance(count[clip_of_row], count[clip_of_row]) == pytest.approx(frechet(a, b, ddof), rel=1e-9)


def test_interval_contains_the_value_and_repeats_with_the_seed() -> None:
    real, fake = _clips(10, 3, 50)
    counts = bootstrap.draws(10, 100, seed=3)

    def estimate(counts: np.ndarray) -> bootstrap.Estimate:
        return bootstrap.of_distance(*bootstrap.resampled(real, fake, counts), 0.95, len(real))

    first = estimate(counts)
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(frechet(np.concatenate(real), np.concatenate(fake)))
    assert first == estimate(bootstrap.draws(10, 100, seed=3))
    assert first != estimate(bootstrap.draws(10, 100, seed=4))


def test_each_draw_has_as_many_clips() -> None:
    counts = bootstrap.draws(7, 50, seed=1)
    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()


def test_intervals_of_a_mean_have_their_stated_coverage() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        estimate = bootstrap.mean(rng.normal(size=30), bootstrap.draws(30, 200, seed=trial))
        covered += estimate.low <= 0 <= estimate.high
    assert 0.87 <= covered / 200 <= 0.99


def test_clips_without_a_value_are_left_out() -> None:
    counts = bootstrap.draws(3, 100, seed=0)
    estimate = bootstrap.mean([1.0, np.nan, 3.0], counts)
    assert (estimate.value, estimate.n) == (2.0, 2)
    assert 1 <= estimate.low <= estimate.high <= 3
    assert bootstrap.mean([np.nan] * 3, counts).n == 0


def test_clips_shorter_than_a_window_are_an_error() -> None:
    empty = [np.empty((0, 4))] * 3
    with pytest.raises(InputError, match="shorter than a window"):
        bootstrap.resampled(empty, empty, bootstrap.draws(3, 10, seed=0))
    with pytest.raises(InputError, match="one value for each"):
        bootstrap.mean([1.0, 2.0], bootstrap.draws(3, 10, seed=0))
