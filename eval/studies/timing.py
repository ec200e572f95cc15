"""Generation times of a run's methods."""

from __future__ import annotations

from typing import Any

from dawn.media.json_files import read_json
from eval.studies.consistency import ScoreFile


def generation_time(file: ScoreFile) -> dict[str, Any] | None:
    """Read the generation time of a method, in seconds, from its run's ``timing.json``.

    Returns ``value`` (median), ``low``, ``high`` and ``n``; None if not timed.
    """
    path = file.paths.run / "timing.json"
    if not path.is_file():
        return None
    time: dict[str, Any] | None = read_json(path)["methods"].get(file.method)
    return time
