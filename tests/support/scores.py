"""Scores of methods as ``dawn-eval score`` writes them, with given values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dawn.comparisons import Experiments
from dawn.config import Config
from dawn.fingerprint import fingerprint
from dawn.media.json_files import write_json
from dawn.paths import Paths
from eval.studies.run_settings import settings_fingerprint

PROVENANCE = {"clips": "clips", "real": "real", "weights": "weights", "code": "code", "parameters": {}, "seed": 1}


def write_scores(
    folder: Path, config: Config, method: str, values: Mapping[str, float | Mapping[str, Any]], **provenance: Any
) -> Path:
    """Write ``scores.json`` into `folder` and return the folder.

    values: metric -> value, with the interval value ± 0.5 over 12 clips, or the entry itself. provenance: entries that
    differ from :data:`PROVENANCE`.
    """
    entries = {
        metric: value
        if isinstance(value, Mapping)
        else {"value": value, "low": value - 0.5, "high": value + 0.5, "n": 12, "backbone": "network"}
        for metric, value in values.items()
    }
    made = PROVENANCE | {"settings": settings_fingerprint(config)} | provenance
    scores = {"method": method, "dataset": config.corpus.name, "metrics": entries, "provenance": made}
    write_json(folder / "scores.json", scores)
    return folder


CLIPS = tuple(f"c{k}" for k in range(12))
RUN_METRICS = (
    *("fd_efficientnet", "fvd16", "fvd32", "lse_c_own", "lse_d_own", "csim_dlib", "bas", "blink_per_s"),
    *("dr25_efficientnet", "dr50_efficientnet"),
)


def write_run_scores(config: Config, method: str, value: float = 1.0, **provenance: Any) -> Path:
    """Write the scores of a method of a run, all of them `value`, and the report of its videos; returns the file."""
    paths = Paths.of(config)
    files = {name: f"{config.name} {method} {name}" for name in CLIPS}
    shared = {"real": config.corpus.name, "weights": config.corpus.name, "measured": fingerprint(files)}
    write_scores(paths.scores(method), config, method, dict.fromkeys(RUN_METRICS, value), **(shared | provenance))
    if method != "gt":
        write_json(paths.videos_report(method), {"files": files, "digest": fingerprint(files)})
    return paths.scores(method) / "scores.json"


def write_row_scores(experiments: Experiments, name: str, value: Callable[[int], float] = lambda _: 1.0) -> list[Path]:
    """Write the scores of all rows of a table or sweep; `value` of the row's index. Returns the files."""
    return [
        write_run_scores(experiments.runs.configs[row.run], row.method, value(k))
        for k, row in enumerate(experiments.rows(name))
    ]
