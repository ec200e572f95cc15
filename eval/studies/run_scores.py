"""Scores of one method of a run: a folder of generated videos against the folder of the real ones.

Writes ``clips.csv`` (one row per clip) and ``scores.json`` (scores with interval, count, backbone and provenance).
Features of the videos, including the real ones, are loaded from the feature cache or computed and stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.audio import read_audio
from dawn.media.csv_files import write_rows
from dawn.media.files import sha256_file
from dawn.media.json_files import write_json
from dawn.provenance import commit
from eval.extract.cache import FeatureCache
from eval.extract.catalogue import AUDIO_BEATS, FACE_MESH, VIDEO
from eval.extract.features import FeatureExtractors, VideoFeatures
from eval.extract.spec import ExtractorOptions, FeatureSpec, resolve, versions
from eval.metrics.clip_set import ClipSet, MetricResult
from eval.metrics.registry import Metric, computed, modules_of
from eval.stats import bootstrap
from eval.studies.clip_list import video_path
from eval.studies.run_settings import TRUE, settings_fingerprint

_ALWAYS = (VIDEO, FACE_MESH, AUDIO_BEATS)  # extracted for any selection of metrics


def measure(
    config: Config,
    *,
    real: Path,
    fake: Path,
    names: Sequence[str],
    syncnet: Path,
    method: str,
    out: Path,
    cache: FeatureCache,
    metrics: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measure ``<fake>/<name>.mp4`` against ``<real>/<name>.mp4``; returns the content of ``scores.json``.

    metrics: those to measure, by name or column. Weights and parameters are recorded for all metrics of the run, so
    that rows of which fewer metrics were measured fit into one table. For the method ``gt``, the real videos
    themselves, distances between sets are omitted. Raises InputError for a missing or unreadable video, for absent
    weights and for an unknown metric.
    """
    videos = [video_path(real if method == TRUE else fake, name) for name in names]
    files = {name: sha256_file(path) for name, path in zip(names, videos, strict=True)}
    requested = computed(config.evaluate.scored if metrics is None else metrics)
    measured = sorted(computed([*config.evaluate.scored, *(metric.name for metric in requested)]), key=_order)
    extractors = RunExtractors(config, syncnet, cache, requested, measured)
    provenance = {
        "settings": settings_fingerprint(config),
        "clips": fingerprint(list(names)),
        "measured": fingerprint(files),
        "real": fingerprint({name: sha256_file(video_path(real, name)) for name in names}),
        "weights": extractors.weights,
        "versions": versions(),
        "parameters": {key: value for metric in measured for key, value in metric.parameters().items()},
        "seed": config.evaluate.seed,
        "resamples": config.evaluate.bootstrap,
        "coverage": config.evaluate.interval,
        "code": code_fingerprint(__name__, plugins={"eval.metrics": modules_of(metric.name for metric in measured)}),
        "commit": commit(),
    }
    generated = extractors.extract(videos, f"measure {method}")
    truth = generated
    if method != TRUE:
        truth = extractors.extract([video_path(real, name) for name in names], f"measure {TRUE}")
    provenance["devices"] = extractors.devices
    results = _results(config, method, requested, measured, truth, generated)
    rows = _clip_rows(files, generated, measured, results)
    write_rows(out / "clips.csv", list(rows[0]), ([_cell(value) for value in row.values()] for row in rows))
    without_face = [result.details.get("frames_without_face", 0) for result in results.values()]
    scores = {
        "method": method,
        "dataset": config.corpus.name,
        "clips": len(names),
        "metrics": _scores(requested, results),
        "faces_found": float(np.mean([row["found"] for row in rows])),
        "faces_not_compared": sum(without_face),
        "provenance": provenance,
    }
    write_json(out / "scores.json", scores)
    return scores


def fill_cache(
    config: Config,
    *,
    videos: Path,
    names: Sequence[str],
    syncnet: Path,
    out: Path,
    cache: FeatureCache,
    shard: int,
    metrics: Sequence[str] | None = None,
) -> None:
    """Extract the features of a share of ``<videos>/<name>.mp4`` into `cache`, for :func:`measure`.

    shard: from 0 to ``evaluate.shards`` - 1. `out` is written at the end: the share's videos by name with their
    SHA-256. Raises InputError as :func:`measure`.
    """
    requested = computed(config.evaluate.scored if metrics is None else metrics)
    extractors = RunExtractors(config, syncnet, cache, requested)
    share = names[shard :: config.evaluate.shards]
    extracted = extractors.extract([video_path(videos, name) for name in share], f"features, shard {shard}")
    files = {name: features.sha256 for name, features in zip(share, extracted, strict=True)}
    write_json(out, {"videos": files, "devices": extractors.devices})


def _order(metric: Metric) -> int:
    return metric.order


class RunExtractors:
    """Feature extractors of a run's evaluation, for the features of the `requested` metrics.

    weights: SHA-256 of the weight files of all `measured` metrics, by name. Raises InputError for weights that are
    absent, and for a SyncNet whose size is not the configured one.
    """

    def __init__(
        self,
        config: Config,
        syncnet_weights: Path,
        cache: FeatureCache,
        requested: Sequence[Metric],
        measured: Sequence[Metric] = (),
    ) -> None:
        import torch

        torch.set_num_threads(config.evaluate.threads)
        _check_syncnet(config, syncnet_weights)
        options = ExtractorOptions(config.features.detect_side, syncnet_weights, config.evaluate.device)
        resolved, missing = resolve([*_ALWAYS, *_specs([*requested, *measured])], options)
        if missing:
            raise InputError("; ".join(missing.values()))
        self.weights: dict[str, str] = {
            name: sha256
            for feature in resolved.values()
            for name, sha256 in feature.settings.get("weights", {}).items()
        }
        self._extractors = FeatureExtractors([*_ALWAYS, *_specs(requested)], options, cache)

    @property
    def devices(self) -> list[str]:
        """Names of the devices that the features extracted so far were computed on."""
        return sorted(self._extractors.devices)

    def extract(self, videos: Sequence[Path], label: str = "") -> list[VideoFeatures]:
        """Extract the features of each video.

        Raises InputError for one that cannot be decoded or has no audio track.
        """
        features = []
        for video in tqdm(videos, desc=label, unit="clip", mininterval=2, disable=not label):
            extraction = self._extractors.extract([video])
            if extraction.unreadable or self._extractors.missing:
                reasons = [f"{path}: {reason}" for path, reason in extraction.unreadable.items()]
                raise InputError("; ".join([*reasons, *self._extractors.missing.values()]))
            features.append(extraction.videos[video])
            if not features[-1].features[VIDEO.name]["samples"].item():
                read_audio(video)  # raises with the reason: every clip of a corpus has an audio track
        return features


def _check_syncnet(config: Config, weights: Path) -> None:
    from eval.backbones import syncnet

    net, expected = syncnet.load(weights), config.evaluate.syncnet
    if (net.side, net.width) != (expected.side, expected.width):
        raise InputError(
            f"{weights}: a SyncNet of side {net.side} and width {net.width}; evaluate.syncnet is of side "
            f"{expected.side} and width {expected.width}"
        )


def _specs(metrics: Sequence[Metric]) -> list[FeatureSpec]:
    return [spec for metric in metrics for spec in metric.specs]


def _results(
    config: Config,
    method: str,
    requested: Sequence[Metric],
    measured: Sequence[Metric],
    truth: Sequence[VideoFeatures],
    generated: Sequence[VideoFeatures],
) -> dict[str, MetricResult]:
    """Compute the requested metrics, and every per-clip metric whose features were extracted; results by name."""
    clips = ClipSet(
        [video.features for video in truth],
        [video.features for video in generated],
        bootstrap.draws(len(generated), config.evaluate.bootstrap, config.evaluate.seed),
        config.evaluate.interval,
        config.evaluate.seed,
        rate_limit=None,
    )
    extracted = {spec.name for spec in (*_ALWAYS, *_specs(requested))}
    results = {}
    for metric in measured:
        free = metric.per_clip and all(spec.name in extracted for spec in metric.specs)
        between_sets = metric in requested and not metric.per_clip and method != TRUE
        if metric.compute is not None and (free or between_sets):
            results[metric.name] = metric.compute(clips)
    return results


def _clip_rows(
    files: Mapping[str, str],
    generated: Sequence[VideoFeatures],
    measured: Sequence[Metric],
    results: Mapping[str, MetricResult],
) -> list[dict[str, Any]]:
    """Return one row for each clip; per-clip metrics that were not computed have empty cells."""
    per_clip = [metric for metric in measured if metric.per_clip]
    rows = []
    for k, ((name, sha256), video) in enumerate(zip(files.items(), generated, strict=True)):
        found = video.features[FACE_MESH.name]["found"]
        row: dict[str, Any] = {"clip": name, "frames": len(found), "found": float(found.mean())}
        for metric in per_clip:
            result = results.get(metric.name)
            row[metric.column] = math.nan if result is None else result.clips[k]
            for column in metric.clip_columns:
                row[column] = None if result is None else result.columns[column][k]
        row["sha256"] = sha256
        for metric in per_clip:
            result = results.get(metric.name)
            if result is not None and result.null_clips:
                row[f"{metric.column}_null"] = result.null_clips[k]
        rows.append(row)
    return rows


def _scores(requested: Sequence[Metric], results: Mapping[str, MetricResult]) -> dict[str, Any]:
    """Return value, interval, clips and backbone by column, and for metrics with a chance level the same of that."""
    scores: dict[str, Any] = {}
    for metric in requested:
        result = results.get(metric.name)
        if result is None:
            continue
        for key, found in ((metric.column, result.aggregate), (f"{metric.column}_null", result.null)):
            if found is not None:
                scores[key] = found.entry | {"backbone": metric.backbone}
    return scores


def _cell(value: Any) -> Any:
    """Format a cell of a CSV file: nine significant digits of a float, empty for NaN and None."""
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return "" if value is None else value
