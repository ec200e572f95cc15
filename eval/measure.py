"""Measures a folder of generated videos against the folder of true ones.

Writes into one folder: ``clips.csv`` (one row a clip), ``scores.json`` (pooled, with interval, count, backbone and
provenance), ``features/`` and ``embeddings/`` (what was seen in each video, for later metrics and reports).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dawn.config import METRICS, Config
from dawn.errors import InputError
from dawn.media.files import atomic_path, sha256_file
from dawn.provenance import code_digest, commit, digest, read_json, write_json
from eval import bas, bootstrap, lse
from eval.blink import blink_rate
from eval.bootstrap import Estimate
from eval.clips import video_path
from eval.columns import BY_KEY
from eval.csim import csim
from eval.judges import FPS, Judges, Measured, parameters
from eval.parts import versions
from eval.sources import MEASURING

TRUE = "gt"
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
    reference: Path | None = None,
) -> dict[str, Any]:
    """Measure ``<fake>/<name>.mp4`` against ``<real>/<name>.mp4`` and return what ``scores.json`` holds.

    The method ``gt`` measures the true videos themselves. `reference` is the folder that such a call wrote; without one
    the true videos are measured first, into ``<out>/reference``. Raises InputError for a missing or broken video, and
    for a reference of other clips, settings or weights.
    """
    if method != TRUE and reference is None:
        reference = out / "reference"
        measure(config, real=real, fake=real, names=names, syncnet=syncnet, method=TRUE, out=reference)
    videos = [video_path(real if method == TRUE else fake, name) for name in names]
    files = {name: sha256_file(path) for name, path in zip(names, videos, strict=True)}
    judges = Judges(config, syncnet)
    provenance = {
        "settings": settings_digest(config),
        "clips": digest(list(names)),
        "measured": digest(files),
        "real": digest({name: sha256_file(video_path(real, name)) for name in names}),
        "weights": judges.weights(),
        "versions": versions(),
        "parameters": parameters(),
        "seed": config.evaluate.seed,
        "resamples": config.evaluate.bootstrap,
        "coverage": config.evaluate.interval,
        "code": code_digest(*MEASURING),
        "commit": commit(),
    }
    if method != TRUE and reference is not None:
        _check_reference(reference, provenance)
    measured: list[Measured] = []
    for name, path in zip(tqdm(names, desc=f"measure {method}", unit="clip", mininterval=2), videos, strict=True):
        measured.append(judges(path))
        measured[-1].save(out, name)
    true = measured if method == TRUE else [Measured.load(reference or out, name) for name in names]
    rows = [_row(name, files[name], a, b) for name, a, b in zip(names, true, measured, strict=True)]
    chance = bas.null(
        [bas.motion_beats(one.features.pose) for one in measured], [one.arrays["audio_beats"] for one in measured]
    )
    for row, value in zip(rows, chance, strict=True):
        row["bas_null"] = float(value)
    _write_rows(out / "clips.csv", rows)
    scores = {
        "method": method,
        "dataset": config.corpus.name,
        "clips": len(names),
        "metrics": _pooled(config, method, rows, true, measured),
        "faces_found": float(np.mean([row["found"] for row in rows])),
        "faces_not_compared": sum(row["csim_failed"] for row in rows),
        "provenance": provenance,
    }
    write_json(out / "scores.json", scores)
    return scores


def settings_digest(config: Config) -> str:
    """Digest of every setting that moves a measured number; which columns are shown, and speed, are none."""
    tree = config.model_dump(mode="json")
    for key in ("threads", "metrics", "paper_dataset"):
        tree["evaluate"].pop(key)
    tree["corpus"].pop("shards")
    return digest({key: tree[key] for key in ("corpus", "features", "evaluate")})


def _row(name: str, sha256: str, true: Measured, made: Measured) -> Row:
    """Everything that is measured on one clip alone."""
    pair = csim(true.arrays["faces"], made.arrays["faces"])
    seen = bool(made.features.found.any())
    synced = lse.sync(made.arrays["lips"], made.arrays["sound"]) if len(made.arrays["lips"]) else None
    return {
        "clip": name,
        "frames": len(made.features.found),
        "found": float(made.features.found.mean()),
        "lse_c_own": synced.lse_c if synced else math.nan,
        "lse_d_own": synced.lse_d if synced else math.nan,
        "offset": synced.offset if synced else "",
        "csim_dlib": pair.csim,
        "csim_failed": pair.failed,
        "bas": bas.bas(bas.motion_beats(made.features.pose), made.arrays["audio_beats"]) if seen else math.nan,
        "blink_per_s": blink_rate(made.features.blink, FPS) if seen else math.nan,
        "sha256": sha256,
    }


def _pooled(
    config: Config, method: str, rows: Sequence[Row], true: Sequence[Measured], made: Sequence[Measured]
) -> dict[str, Any]:
    """Metric -> value, interval, clips, backbone; a distance between true videos and themselves is left out."""
    counts = bootstrap.draws(len(rows), config.evaluate.bootstrap, config.evaluate.seed)
    coverage = config.evaluate.interval
    pooled: dict[str, Any] = {}
    for key in (*METRICS, "bas_null"):
        if key in ("fvd16", "fvd32", "fd_efficientnet"):
            array = "frames" if key == "fd_efficientnet" else key
            real = [one.arrays[array] for one in true]
            fake = [one.arrays[array] for one in made]
            enough = min(sum(map(len, real)), sum(map(len, fake))) >= 2
            if method == TRUE or not enough:
                continue  # clips shorter than a window have no such distance
            estimate = bootstrap.distance(real, fake, counts, coverage, label=key)
            samples = {"samples": sum(map(len, fake))}
        else:
            estimate = bootstrap.mean([row[key] for row in rows], counts, coverage)
            samples = {}
        if estimate.n:
            backbone = BY_KEY["bas" if key == "bas_null" else key].backbone
            pooled[key] = _entry(estimate) | samples | {"backbone": backbone}
    return pooled


def _entry(estimate: Estimate) -> dict[str, float | int | None]:
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()} | {"n": estimate.n}


def _check_reference(reference: Path, provenance: dict[str, Any]) -> None:
    scores = read_json(reference / "scores.json")
    if scores.get("method") != TRUE:
        raise InputError(f"{reference}: holds method {scores.get('method')!r}; the reference is the folder of {TRUE!r}")
    for key, what in (
        ("settings", "other settings"),
        ("clips", "other clips"),
        ("real", "other true videos"),
        ("weights", "other weights"),
        ("code", "other code"),
    ):
        if scores["provenance"].get(key) != provenance[key]:
            raise InputError(f"{reference}: was measured with {what}; measure {TRUE!r} again")


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    with atomic_path(path) as aside, open(aside, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    """Figures to nine digits, an empty cell for none."""
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return value
