"""Measures a folder of generated videos against the folder of true ones.

Writes into one folder: ``clips.csv`` (one row a clip) and ``scores.json`` (pooled, with interval, count, backbone and
provenance). What was seen in each video, true ones too, comes from the cache of features or goes there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dawn.config import METRICS, Config
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.csv_files import write_rows
from dawn.media.files import sha256_file
from dawn.media.json_files import write_json
from dawn.provenance import commit
from eval.extract.cache import Cache
from eval.extract.clip_list import video_path
from eval.extract.features import versions
from eval.extract.judges import FPS, Judges, Measured, parameters
from eval.metrics import bas, fd_efficientnet, lse
from eval.metrics.blink import blink_rate
from eval.metrics.columns import BY_KEY
from eval.metrics.csim import csim
from eval.metrics.degradation import LENGTHS, degradation
from eval.stats import aggregate as pooling
from eval.stats import bootstrap

TRUE = "gt"
DEGRADATION = {f"dr{length}_efficientnet": length for length in LENGTHS}
Row = dict[str, Any]


def measure(
    config: Config,
    *,
    real: Path,
    fake: Path,
    names: Sequence[str],
    syncnet: Path,
    method: str,
    out: Path,
    cache: Cache,
    metrics: Sequence[str] = METRICS,
) -> dict[str, Any]:
    """Measure ``<fake>/<name>.mp4`` against ``<real>/<name>.mp4`` and return what ``scores.json`` holds.

    Metrics other than `metrics` are not measured. The method ``gt`` measures the true videos themselves. Raises
    InputError for a missing or broken video.
    """
    videos = [video_path(real if method == TRUE else fake, name) for name in names]
    files = {name: sha256_file(path) for name, path in zip(names, videos, strict=True)}
    judges = Judges(config, syncnet, cache, metrics)
    provenance = {
        "settings": settings_digest(config),
        "clips": fingerprint(list(names)),
        "measured": fingerprint(files),
        "real": fingerprint({name: sha256_file(video_path(real, name)) for name in names}),
        "weights": judges.weights(),
        "versions": versions(),
        "parameters": parameters(),
        "seed": config.evaluate.seed,
        "resamples": config.evaluate.bootstrap,
        "coverage": config.evaluate.interval,
        "code": code_fingerprint(__name__),
        "commit": commit(),
    }
    measured = _seen(judges, videos, f"measure {method}")
    true = measured if method == TRUE else _seen(judges, [video_path(real, name) for name in names], "measure gt")
    rows = [_row(name, files[name], a, b) for name, a, b in zip(names, true, measured, strict=True)]
    chance = bas.null(
        [bas.motion_beats(one.features.pose) for one in measured], [one.arrays["audio_beats"] for one in measured]
    )
    for row, value in zip(rows, chance, strict=True):
        row["bas_null"] = float(value) if math.isfinite(row["bas"]) else math.nan
    _write_rows(out / "clips.csv", rows)
    scores = {
        "method": method,
        "dataset": config.corpus.name,
        "clips": len(names),
        "metrics": _pooled(config, method, metrics, rows, true, measured),
        "faces_found": float(np.mean([row["found"] for row in rows])),
        "faces_not_compared": sum(row["csim_failed"] or 0 for row in rows),
        "provenance": provenance,
    }
    write_json(out / "scores.json", scores)
    return scores


def _seen(judges: Judges, videos: Sequence[Path], label: str) -> list[Measured]:
    return [judges(path) for path in tqdm(videos, desc=label, unit="clip", mininterval=2)]


def settings_digest(config: Config) -> str:
    """Digest of every setting that moves a measured number; which columns are shown, and speed, are none."""
    tree = config.model_dump(mode="json")
    for key in ("threads", "metrics", "paper_dataset"):
        tree["evaluate"].pop(key)
    tree["corpus"].pop("shards")
    return fingerprint({key: tree[key] for key in ("corpus", "features", "evaluate")})


def _row(name: str, sha256: str, true: Measured, made: Measured) -> Row:
    """Everything that is measured on one clip alone."""
    pair = csim(true.arrays["faces"], made.arrays["faces"]) if "faces" in made.arrays else None
    seen = bool(made.features.found.any())
    synced = lse.sync(made.arrays["lips"], made.arrays["sound"]) if len(made.arrays.get("lips", ())) else None
    return {
        "clip": name,
        "frames": len(made.features.found),
        "found": float(made.features.found.mean()),
        "lse_c_own": synced.lse_c if synced else math.nan,
        "lse_d_own": synced.lse_d if synced else math.nan,
        "offset": synced.offset if synced else "",
        "csim_dlib": pair.csim if pair else math.nan,
        "csim_failed": pair.failed if pair else "",
        "bas": bas.bas(bas.motion_beats(made.features.pose), made.arrays["audio_beats"]) if seen else math.nan,
        "blink_per_s": blink_rate(made.features.blink, FPS) if seen else math.nan,
        "sha256": sha256,
    }


def _pooled(
    config: Config,
    method: str,
    metrics: Sequence[str],
    rows: Sequence[Row],
    true: Sequence[Measured],
    made: Sequence[Measured],
) -> dict[str, Any]:
    """Metric -> value, interval, clips, backbone; a distance between true videos and themselves is left out."""
    counts = bootstrap.draws(len(rows), config.evaluate.bootstrap, config.evaluate.seed)
    coverage = config.evaluate.interval
    pooled: dict[str, Any] = {}
    asked = [*(key for key in METRICS if key in metrics), *(["bas_null"] if "bas" in metrics else [])]
    for key in asked:
        if key in ("fvd16", "fvd32", "fd_efficientnet"):
            array = "frames" if key == "fd_efficientnet" else key
            real, fake = ([one.arrays[array] for one in side] for side in (true, made))
            found = None if method == TRUE else pooling.distance(real, fake, counts, coverage, label=key)
        elif key in DEGRADATION:
            found = None if method == TRUE else degraded(config, DEGRADATION[key], true, made)
        else:
            found = pooling.mean([row[key] for row in rows], counts, coverage)
        if found is not None:
            pooled[key] = found.entry | {"backbone": BY_KEY["bas" if key == "bas_null" else key].backbone}
    return pooled


def degraded(config: Config, length: int, true: Sequence[Measured], made: Sequence[Measured]) -> pooling.Pooled | None:
    """Degradation rate over the first and last `length` frames, of every fifth of which there are features; None when
    no clip is long enough."""
    real, fake = ([one.arrays["frames"] for one in side] for side in (true, made))
    longer = any(len(b) > len(a) for a, b in zip(real, fake, strict=True))
    found = degradation(
        real,
        fake,
        length // fd_efficientnet.EVERY,
        reference="all" if longer else "matched",
        resamples=config.evaluate.bootstrap,
        seed=config.evaluate.seed,
        coverage=config.evaluate.interval,
    )
    return pooling.worsening(found)


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    write_rows(path, list(rows[0]), ([_cell(value) for value in row.values()] for row in rows))


def _cell(value: Any) -> Any:
    """Figures to nine digits, an empty cell for none."""
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return value
