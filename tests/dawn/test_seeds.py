"""Random streams: the numbers that trained weights, test videos and the demo corpus were drawn with."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
import torch

from dawn import seeds
from dawn.errors import InputError


def test_streams_are_unchanged() -> None:
    """Recorded numbers: with other ones, trainings, videos and corpora change."""
    assert seeds.step_seed(1234, "lfg", 7, 3) == 1_414_823_066_481_268_110
    assert seeds.step_seed(1234, "lfg", seeds.INITIAL_WEIGHTS) == 949_438_730_000_190_021
    assert seeds.video_seed(1234, "anna_0") == 666_862_669_594_505_184
    assert seeds.torch_generator(5).initial_seed() == 5
    assert seeds.ranking_key(1234, "anna").hex()[:16] == "3b5623641ab8b88c"
    assert seeds.numpy_generator(1234).integers(2**31) == np.random.default_rng(1234).integers(2**31) == 2103139805
    assert seeds.numpy_generator(1234, 1, 0).integers(2**31) == 378888409


def test_seeds_differ_by_stage_step_and_sample() -> None:
    drawn = {
        seeds.step_seed(1, stage, step, i) for stage in ("lfg", "pbnet") for step in range(50) for i in range(-1, 3)
    }
    assert len(drawn) == 400
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_the_global_seed_sets_initial_weights() -> None:
    with torch.random.fork_rng(devices=[]):
        seeds.set_global_seed(3)
        first = torch.rand(2)
        seeds.set_global_seed(3)
        assert torch.equal(torch.rand(2), first)


def test_examples_hold() -> None:
    assert doctest.testmod(seeds).failed == 0


def test_integers_of_any_type_are_seeds() -> None:
    assert [seeds.checked_seed(seed) for seed in (0, 2**63 - 1, np.int64(3), True)] == [0, 2**63 - 1, 3, 1]


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "1", None])
def test_other_values_are_no_seeds(seed: Any) -> None:
    with pytest.raises(InputError, match=r"seed: must be an integer from 0 to 2\*\*63 - 1, got"):
        seeds.checked_seed(seed)
