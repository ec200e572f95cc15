"""Metrics of a folder of generated videos against a folder of real ones: ``dawn-eval REAL FAKE`` and
``eval.evaluate``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawn.choices import MeasuringDevice
from dawn.errors import InputError
from dawn.fingerprint import code_fingerprint
from dawn.media.files import sha256_file
from dawn.provenance import commit
from dawn.seeds import checked_seed
from eval.extract.cache import FeatureCache, default_folder
from eval.extract.catalogue import FACE_MESH, VIDEO
from eval.extract.features import Extraction, FeatureExtractors
from eval.extract.sampling import Side
from eval.extract.spec import ExtractorOptions, decoder, versions
from eval.extract.video_pairs import Pair, pairs_of
from eval.metrics import clip_set
from eval.metrics.clip_set import ABSENT, UNREADABLE, ClipSet, MetricResult
from eval.metrics.registry import Metric, computed, of_preset, presets
from eval.stats import bootstrap
from eval.studies.metric_report import TRUE, VERSION, Report


def evaluate(
    real: str | Path,
    generated: str | Path,
    metrics: str | Sequence[str] | None = None,
    *,
    syncnet: str | Path | None = None,
    detect_side: int = 256,
    cache: str | Path | None = None,
    resamples: int = 1000,
    seed: int = 0,
    coverage: float = 0.95,
    threads: int | None = None,
    device: MeasuringDevice = "auto",
    shard: tuple[int, int] | None = None,
) -> Report:
    """Compute metrics of the videos in folder `generated` against those in folder `real`.

    Videos of the same name (relative path without suffix) are pairs; two files are one pair. Distances between sets use
    all videos of each side, other metrics pairs only. Metrics whose weights are not on this machine are not computed;
    the report states the reason.

    metrics: names (:data:`eval.METRICS`), or the name of a preset or metric; None: the preset ``default``.
    syncnet: SyncNet weights for metrics of the SyncNet that this repository trains.
    detect_side: frames with a shorter side, in pixels, are enlarged to it for the face mesh.
    cache: folder of extracted features; default: ``DAWN_EVAL_CACHE``, else the user's cache folder.
    resamples, seed, coverage: of the bootstrap intervals over videos.
    threads: CPU threads of the networks; None: unchanged.
    device: of the networks: ``cpu``, ``cuda``, or ``auto``, a GPU if there is one.
    shard: (index, count): only extract features of every count-th pair into the cache; the report has no values.

    Raises InputError for folders without a common name, unknown metrics and options outside of their range.
    """
    for name, count in {"threads": threads, "detect_side": detect_side, "resamples": resamples}.items():
        if count is not None and count < 1:
            raise InputError(f"{name}: must be at least 1, got {count}")
    if not 0 < coverage < 1:
        raise InputError(f"coverage: must be between 0 and 1, got {coverage}")
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise InputError(f"shard: must be (index, count) with an index from 0 to count - 1, got {shard}")
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    seed = checked_seed(seed)
    selected = computed(metric_names(metrics))
    options = ExtractorOptions(detect_side, None if syncnet is None else Path(syncnet), device)
    features = FeatureCache(default_folder() if cache is None else Path(cache))
    pairs = pairs_of(Path(real), Path(generated))
    used = pairs if shard is None else pairs[shard[0] :: shard[1]]
    sides = [_extract(side, used, selected, options, features) for side in ("real", "fake")]
    missing = sides[0].extractors.missing | sides[1].extractors.missing
    data: dict[str, Any] = {
        "version": VERSION,
        "real": str(Path(real).resolve()),
        "fake": str(Path(generated).resolve()),
        "pairs": sum(pair.real is not None and pair.fake is not None for pair in pairs),
        "only_real": [pair.name for pair in pairs if pair.fake is None],
        "only_fake": [pair.name for pair in pairs if pair.real is None],
        "unreadable": {str(path): reason for side in sides for path, reason in side.extraction.unreadable.items()},
        "metrics": {},
        "not_computed": {},
        "clips": [],
        "made": _provenance(sides, options, selected, resamples, seed, coverage),
    }
    if shard is not None:
        return Report(data)
    clips = ClipSet(
        [sides[0].video(pair.real) for pair in pairs],
        [sides[1].video(pair.fake) for pair in pairs],
        bootstrap.draws(len(pairs), resamples, seed),
        coverage,
        seed,
    )
    rows = [_clip_row(pair, sides) for pair in pairs]
    for metric in selected:
        reasons = [missing[spec.name] for spec in metric.specs if spec.name in missing]
        if reasons or metric.compute is None:
            data["not_computed"][metric.name] = reasons[0]
            continue
        result = metric.compute(clips)
        for key, values in ((metric.name, result.clips), (f"{metric.name}{TRUE}", result.real)):
            for row, value in zip(rows, values, strict=False):  # no values where it is not a mean over clips
                row[key] = value if math.isfinite(value) else None
        if result.aggregate is None:
            data["not_computed"][metric.name] = _main_reason(result)
        else:
            data["metrics"][metric.name] = result.aggregate.entry | result.details | _protocol(metric, result, sides)
    data["clips"] = rows
    return Report(data)


def metric_names(metrics: str | Sequence[str] | None) -> list[str]:
    """Return metric names: those of a preset, a single one, or a sequence unchanged; None: the preset ``default``.

    Raises InputError for an empty sequence and for other types.
    """
    if metrics is None:
        return of_preset("default")
    if isinstance(metrics, str):
        return of_preset(metrics) if metrics in presets() else [metrics]
    names = list(metrics)
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"metrics: give at least one name, got {names}; 'dawn-eval list' shows them")
    return names


@dataclass(frozen=True)
class _Side:
    """Videos of one side with their features."""

    extractors: FeatureExtractors
    extraction: Extraction

    def video(self, path: Path | None) -> clip_set.Video:
        """Return the features of one video, or the reason for their absence."""
        if path is None:
            return ABSENT
        return self.extraction.videos[path].features if path in self.extraction.videos else UNREADABLE


def _extract(
    side: Side, pairs: Sequence[Pair], metrics: Sequence[Metric], options: ExtractorOptions, cache: FeatureCache
) -> _Side:
    specs = [spec for metric in metrics for spec in getattr(metric, side)]
    paths = [path for pair in pairs if (path := getattr(pair, side)) is not None]
    extractors = FeatureExtractors(specs, options, cache)
    return _Side(extractors, extractors.extract(paths, f"{clip_set.SIDES[side]} videos"))


def _clip_row(pair: Pair, sides: Sequence[_Side]) -> dict[str, Any]:
    """Return one table row with the properties of both videos of a pair."""
    row: dict[str, Any] = {"clip": pair.name}
    for side, path, videos in (("real", pair.real, sides[0]), ("fake", pair.fake, sides[1])):
        extracted = videos.extraction.videos.get(path) if path is not None else None
        facts = extracted.features[VIDEO.name] if extracted else None
        row[side] = None if path is None else str(path.resolve())
        row[f"{side}_sha256"] = None if path is None else extracted.sha256 if extracted else sha256_file(path)
        row[f"{side}_frames"] = facts["frames"].item() if facts else None
        row[f"{side}_fps"] = round(facts["fps"].item(), 3) if facts else None
        row[f"{side}_sound"] = bool(facts["samples"].item()) if facts else None
        if extracted and FACE_MESH.name in extracted.features:
            mesh = extracted.features[FACE_MESH.name]
            row[f"{side}_face"] = round(float(mesh["found"].mean()), 4)
            row[f"{side}_faces"] = int(mesh["faces"].max())
    return row


def _protocol(metric: Metric, result: MetricResult, sides: Sequence[_Side]) -> dict[str, Any]:
    """Return what is recorded with a value: title, protocol, features with their settings, and excluded videos by
    reason."""
    resolved = {name: feature for side in sides for name, feature in side.extractors.resolved.items()}
    return {
        "title": metric.title,
        "better": metric.better,
        "about": metric.protocol,
        "parts": {spec.name: dict(resolved[spec.name].settings) for spec in metric.specs},
        "left_out": dict(Counter(reason for reason in result.reasons if reason)),
    }


def _main_reason(result: MetricResult) -> str:
    """Return the most frequent reason why a metric could not be computed, apart from absent and unreadable videos."""
    reasons = Counter(reason for reason in result.reasons if reason and not reason.endswith((ABSENT, UNREADABLE)))
    if not reasons:
        return "too few frames or videos"
    reason, count = reasons.most_common(1)[0]
    return f"{reason}, in {count} videos"


def _provenance(
    sides: Sequence[_Side],
    options: ExtractorOptions,
    metrics: Sequence[Metric],
    resamples: int,
    seed: int,
    coverage: float,
) -> dict[str, Any]:
    weights = {
        name: sha256
        for side in sides
        for feature in side.extractors.resolved.values()
        for name, sha256 in feature.settings.get("weights", {}).items()
    }
    return {
        "metrics": [metric.name for metric in metrics],
        "weights": weights,
        "versions": versions(),
        "decoder": decoder(),
        "detect_side": options.detect_side,
        "syncnet": None if options.syncnet is None else str(options.syncnet.resolve()),
        "devices": sorted(set().union(*(side.extractors.devices for side in sides))),
        "resamples": resamples,
        "coverage": coverage,
        "seed": seed,
        "code": code_fingerprint(__name__),
        "commit": commit(),
    }
