"""Number of steps and learning rate of a training schedule.

Separate from the configuration, which holds values only.
"""

from __future__ import annotations

import math

from dawn.config import Schedule


def total_steps(schedule: Schedule, clips: int) -> int:
    """Compute the number of optimiser steps of `schedule` on a training split of `clips` clips."""
    if schedule.steps is not None:
        return schedule.steps
    assert schedule.epochs is not None
    return max(1, schedule.epochs * schedule.repeats * clips // schedule.batch)


def learning_rate(schedule: Schedule, step: int, total: int) -> float:
    """Compute the learning rate of step `step` of `total`: linear warm-up, then cosine from `lr` to `lr_final`.

    The schedule is the published one.
    """
    if step < schedule.warmup:
        return schedule.lr * (step + 1) / schedule.warmup
    progress = (step - schedule.warmup) / max(1, total - schedule.warmup)
    return schedule.lr_final + 0.5 * (schedule.lr - schedule.lr_final) * (1 + math.cos(math.pi * progress))
