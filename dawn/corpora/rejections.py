"""Reasons of rejected clips, summarised for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from dawn.corpora.manifest import Rejected

_SHOWN = 3  # reasons that a summary names


def general_reason(reason: str) -> str:
    """Remove file and advice from the reason of a rejection, and replace its numbers by N."""
    cause = reason.split(";")[0]
    _, colon, rest = cause.partition(": ")
    return re.sub(r"\d+(\.\d+)?", "N", rest if colon else cause)


def frequent_reasons(rejected: Sequence[Rejected]) -> str:
    """Return the most frequent reasons, each with its number of clips, in one line."""
    counts = Counter(general_reason(row.reason) for row in rejected).most_common()
    shown = [f"{reason} ({count})" for reason, count in counts[:_SHOWN]]
    others = sum(count for _, count in counts[_SHOWN:])
    return ", ".join([*shown, f"other reasons ({others})"] if others else shown)
