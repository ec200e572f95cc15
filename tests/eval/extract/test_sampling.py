"""Starts of the windows in each implementation of FVD."""

from __future__ import annotations

import numpy as np

from eval.extract.sampling import window_samplings
from eval.metrics.fvd import IMPLEMENTATIONS, WINDOWS


def test_windows_of_each_implementation() -> None:
    rng = np.random.default_rng(0)
    samplings = window_samplings(16)
    assert samplings["windows"].starts(50, "fake", rng) == [0, 16, 32]
    assert samplings["common-metrics"].starts(50, "real", rng) == [0]
    random = samplings["stylegan-v"]
    assert {start for _ in range(500) for start in random.starts(20, "real", rng)} == set(range(5))
    assert random.starts(20, "fake", rng) == [0]
    assert set(samplings) == set(IMPLEMENTATIONS)
    for sampling in (sampling for window in WINDOWS for sampling in window_samplings(window).values()):
        assert sampling.starts(sampling.window - 1, "real", rng) == []
        assert sampling.starts(sampling.window, "real", rng) == [0]
