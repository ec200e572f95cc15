"""FVD: each implementation has a network and divides its covariance as published."""

from __future__ import annotations

import numpy as np
import pytest

from eval.backbones.cards import CARDS
from eval.metrics.clip_set import ClipSet
from eval.metrics.fvd import IMPLEMENTATIONS
from eval.metrics.registry import METRICS
from eval.stats.bootstrap import draws
from eval.stats.frechet import frechet


def test_every_implementation_has_a_network() -> None:
    assert {network for _, network, _, _ in IMPLEMENTATIONS.values()} <= set(CARDS)


def test_each_implementation_divides_its_covariance_as_published() -> None:
    """StyleGAN-V's covariance is divided by the count, others' by the count less one."""
    rng = np.random.default_rng(0)
    features = [[rng.normal(shift, 1, (1, 400)).astype(np.float32) for _ in range(9)] for shift in (0, 1)]
    counts = draws(9, 5, 0)
    for name, ddof in (("fvd_stylegan_v_16", 0), ("fvd_common_metrics_16", 1), ("fvd16", 1)):
        metric = METRICS[name]
        real, fake = (
            [{specs[0].name: {"rows": rows}} for rows in side]
            for specs, side in zip((metric.real, metric.fake), features, strict=True)
        )
        assert metric.compute is not None
        found = metric.compute(ClipSet(real, fake, counts, 0.95, 0)).aggregate
        assert found is not None
        sides = [np.concatenate(side) for side in features]
        assert found.entry["value"] == pytest.approx(frechet(*sides, ddof)), name
