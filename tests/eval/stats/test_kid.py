"""Kernel inception distance: canonical numbers, and no dependence on the number of samples."""

from __future__ import annotations

import numpy as np
import pytest

from eval.stats.kid import kid
from tests.support import canonical


@pytest.mark.parametrize("name", canonical.names("kid"))
def test_canonical_distances(name: str) -> None:
    with canonical.case(name) as (_, case):
        x, y = canonical.normal(21, 40, 16) + 0.1, canonical.normal(22, 40, 16)
        assert kid(x, y) == pytest.approx(case["mmd2_torch_fidelity"], rel=1e-10)
        assert kid(x, y) == pytest.approx(case["clean_fid_1subset_full"], rel=1e-10)


def test_kid_does_not_depend_on_the_number_of_samples() -> None:
    rng = np.random.default_rng(0)
    few = [kid(rng.normal(size=(20, 8)), rng.normal(size=(30, 8))) for _ in range(400)]
    assert abs(np.mean(few)) < 4 * np.std(few) / 20
    shifted = rng.normal(size=(3000, 8)) + 0.5
    centred = rng.normal(size=(3000, 8))
    parts = [kid(*(rows[rng.choice(3000, 200, replace=False)] for rows in (centred, shifted))) for _ in range(50)]
    whole = kid(rng.normal(size=(3000, 8)), shifted)
    assert np.mean(parts) == pytest.approx(whole, abs=4 * np.std(parts) / 50**0.5)
