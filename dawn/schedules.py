"""Number of steps and learning rate of a training schedule, and the denoiser's passes in a step of sampling.

Separate from the configuration, which holds values only.
"""

from __future__ import annotations

import math

from dawn.config import Generate, Schedule


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


def guidance_passes(settings: Generate) -> tuple[tuple[float, float, float], ...]:
    """Return for each pass of a sampling step the weight of its output, and factors of speech and of pose and blink.

    Nested guidance (Brooks et al. 2023, eq. 3) with pose and blink first: e() + w (e(pose) - e()) + s (e(pose, speech)
    - e(pose)), for the scales w and s. Passes without weight are left out; the weights' sum is 1.
    """
    w = settings.guidance
    s = w if settings.speech_guidance is None else settings.speech_guidance
    passes = ((s, 1.0, 1.0), (w - s, 0.0, 1.0), (1 - w, 0.0, 0.0))
    return tuple(one for one in passes if one[0])
