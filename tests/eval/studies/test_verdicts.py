"""Verdicts from confidence intervals."""

from __future__ import annotations

import math

import pytest

from eval.studies.verdicts import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    of_difference,
    of_no_decrease,
    of_stability,
    overall,
)


def test_several_verdicts_are_combined_to_one() -> None:
    assert overall([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert overall([CONTRADICTED, UNDECIDED]) == CONTRADICTED
    assert overall([SUPPORTED, UNDECIDED]) == overall([SUPPORTED, CONTRADICTED]) == UNDECIDED


@pytest.mark.parametrize(
    ("low", "high", "difference", "stability", "no_decrease"),
    [
        (0.01, 0.1, SUPPORTED, SUPPORTED, SUPPORTED),
        (-0.1, 0.1, UNDECIDED, SUPPORTED, SUPPORTED),
        (-0.1, -0.01, CONTRADICTED, SUPPORTED, SUPPORTED),
        (-0.3, 0.1, UNDECIDED, UNDECIDED, UNDECIDED),
        (-0.5, -0.3, CONTRADICTED, CONTRADICTED, CONTRADICTED),
        (0.3, 0.5, SUPPORTED, CONTRADICTED, SUPPORTED),
        (math.nan, math.nan, UNDECIDED, UNDECIDED, UNDECIDED),
    ],
)
def test_verdicts_of_an_interval(low: float, high: float, difference: str, stability: str, no_decrease: str) -> None:
    verdicts = (of_difference(low, high), of_stability(low, high), of_no_decrease(low, high))
    assert verdicts == (difference, stability, no_decrease)
