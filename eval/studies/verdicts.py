"""Verdicts on claims from confidence intervals."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Verdict = Literal["supported", "contradicted", "cannot tell"]
SUPPORTED: Verdict = "supported"
CONTRADICTED: Verdict = "contradicted"
UNDECIDED: Verdict = "cannot tell"
MARGIN = 0.2  # relative change within which a quantity counts as stable


def of_difference(low: float, high: float) -> Verdict:
    """Decide whether a difference is positive from its interval; undecided for NaN."""
    return SUPPORTED if low > 0 else CONTRADICTED if high < 0 else UNDECIDED


def of_stability(low: float, high: float, margin: float = MARGIN) -> Verdict:
    """Decide whether a difference is within `margin` of 0 from its interval."""
    if low > -margin and high < margin:
        return SUPPORTED
    return CONTRADICTED if high < -margin or low > margin else UNDECIDED


def of_no_decrease(low: float, high: float, margin: float = MARGIN) -> Verdict:
    """Decide whether a difference is not below 0 by more than `margin` from its interval."""
    return SUPPORTED if low > -margin else CONTRADICTED if high < 0 else UNDECIDED


def overall(verdicts: Collection[str]) -> Verdict:
    """Aggregate the verdicts of a claim's metrics.

    Supported if all are; contradicted if some are and none is supported; else undecided.
    """
    if set(verdicts) == {SUPPORTED}:
        return SUPPORTED
    return CONTRADICTED if CONTRADICTED in verdicts and SUPPORTED not in verdicts else UNDECIDED
