"""Training schedules: number of steps and learning rate."""

from __future__ import annotations

import itertools

import pytest

from dawn.config import Schedule, parse
from dawn.schedules import learning_rate, total_steps


def test_epochs_count_samples_of_the_training_split() -> None:
    schedule = parse({"lfg": {"train": {"epochs": 400, "repeats": 25, "batch": 82}}}).lfg.train
    assert total_steps(schedule, 369) == 400 * 25 * 369 // 82


def test_learning_rate_warms_up_and_follows_the_cosine() -> None:
    schedule = Schedule(steps=100, lr=1.0, lr_final=0.1, warmup=10)
    rates = [learning_rate(schedule, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
