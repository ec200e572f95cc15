"""Duration of a training by its log. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path


def log_hours(log: Path) -> float | None:
    """Return the hours of a training by its log; None where its weights are a copy from another run."""
    if not log.is_file():
        return None
    total = before = 0.0
    for line in log.read_text(encoding="utf-8").splitlines():
        seconds = json.loads(line)["seconds"]
        total += before if seconds < before else 0.0  # a resumed training counts from 0 again
        before = seconds
    return round((total + before) / 3600, 2)
