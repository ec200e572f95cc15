"""Expected bias of a Fréchet distance: near the known value, and a warning where it is large."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dawn.errors import InputError
from eval.stats.bias import expected_bias
from eval.stats.frechet import frechet


def _clips(clips: int, rows: int, size: int, seed: int, shift: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rows, size)) + shift for _ in range(clips)]


def test_bias_of_equal_distributions_is_about_the_whole_value() -> None:
    found = [expected_bias(_clips(40, 4, 10, seed), _clips(40, 4, 10, 500 + seed)) for seed in range(10)]
    assert np.mean([one.bias for one in found]) == pytest.approx(np.mean([one.value for one in found]), rel=0.3)
    assert all("measure more clips" in one.warning for one in found if one.bias > 0.5 * one.value)


def test_value_less_bias_is_the_distance_of_many_more_samples() -> None:
    found = [expected_bias(_clips(40, 4, 10, seed), _clips(40, 4, 10, 500 + seed, 0.5)) for seed in range(10)]
    many = frechet(np.concatenate(_clips(40, 4000, 10, 1)), np.concatenate(_clips(40, 4000, 10, 2, 0.5)))
    assert np.mean([one.value - one.bias for one in found]) == pytest.approx(many, rel=0.1)
    assert not any(one.warning for one in found)


def test_fewer_samples_than_dimensions_give_a_warning() -> None:
    got = expected_bias(_clips(20, 1, 50, 0), _clips(20, 1, 50, 1, 3.0))
    assert got.bias > 0
    assert "20 samples for 50 dimensions" in got.warning


def test_too_few_clips_have_no_known_bias() -> None:
    got = expected_bias(_clips(3, 50, 4, 0), _clips(3, 50, 4, 1))
    assert math.isnan(got.bias)
    assert "3 clips" in got.warning
    with pytest.raises(InputError, match="pairs"):
        expected_bias(_clips(3, 5, 4, 0), _clips(2, 5, 4, 0))
    with pytest.raises(InputError, match="shorter than a window"):
        expected_bias([np.empty((0, 4))], [np.empty((0, 4))])
