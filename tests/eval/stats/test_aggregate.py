"""Kernel distance of the rows of clips, and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from eval.stats import aggregate
from eval.stats.bootstrap import draws
from eval.stats.kid import kid


def test_kid_of_clips_is_that_of_their_rows() -> None:
    rng = np.random.default_rng(0)
    real, fake = ([rng.normal(shift, 1, (n, 6)) for n in (5, 0, 9)] for shift in (0.0, 0.4))
    found = aggregate.kernel_distance(real, fake, draws(3, 50, 0), 0.95)
    assert found is not None
    assert found.entry["value"] == pytest.approx(kid(np.concatenate(real), np.concatenate(fake)))
    assert (found.entry["n"], found.entry["n_real"]) == (2, 2)
    # Drawn once each, the resampled value is the value.
    once = aggregate.kernel_distance(real, fake, np.ones((1, 3), np.int64), 0.95)
    assert once is not None
    assert once.entry["low"] == pytest.approx(once.entry["value"]) == pytest.approx(once.entry["high"])
