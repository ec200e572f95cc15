"""Resampled values of a measured metric, for intervals of differences between two rows of a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawn.config import Config
from dawn.methods import videos_folder
from dawn.paths import Paths
from eval.metrics.registry import Metric, get_metric
from eval.stats import aggregate, bootstrap
from eval.stats.bootstrap import Array
from eval.studies.clip_list import video_path

if TYPE_CHECKING:
    from eval.extract.cache import FeatureCache


@dataclass(frozen=True)
class ResampledScore:
    """A score, its value in each resample of the clips, (resamples,), and its entry as recorded in a report."""

    value: float
    resampled: Array
    entry: Mapping[str, Any] = field(repr=False, compare=False)


def resampled_score(
    config: Config, paths: Paths, method: str, metric: str, syncnet: Path, cache: FeatureCache
) -> ResampledScore | None:
    """Compute one metric of a measured method with its value in each resample.

    Returns None where the metric has no value, or where some clip is excluded from a distance. Resamples depend on the
    number of clips and the seed alone: rows of the same clips share them. Values of means over clips are read from
    ``clips.csv``; distances between sets are computed again from features, in general from the cache. metric: name or
    column. Raises InputError as :func:`eval.studies.run_scores.measure` does.
    """
    found = get_metric(metric)
    with open(paths.scores(method) / "clips.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    settings = config.evaluate
    counts = bootstrap.draws(len(rows), settings.bootstrap, settings.seed)
    if found.per_clip:
        values = [float(cell) if (cell := row[found.column]) else math.nan for row in rows]
        result = aggregate.mean(values, counts, settings.interval)
    else:
        names = [row["clip"] for row in rows]
        result = _between_sets(config, paths, method, found, names, counts, syncnet, cache)
    if result is None:
        return None
    return ResampledScore(result.entry["value"], result.resampled, result.entry)


def _between_sets(
    config: Config,
    paths: Paths,
    method: str,
    metric: Metric,
    names: Sequence[str],
    counts: Any,
    syncnet: Path,
    cache: FeatureCache,
) -> aggregate.Aggregate | None:
    from eval.metrics.clip_set import ClipSet
    from eval.studies.run_scores import RunExtractors

    extractors = RunExtractors(config, syncnet, cache, [metric])
    real, fake = (
        [video.features for video in extractors.extract([video_path(folder, name) for name in names])]
        for folder in (paths.clips, videos_folder(paths, method))
    )
    settings = config.evaluate
    clips = ClipSet(real, fake, counts, settings.interval, settings.seed, distance_limit=None, rate_limit=None)
    assert metric.compute is not None  # the metric was measured before
    result = metric.compute(clips).aggregate
    if result is not None and "short" in result.entry and result.entry["short"]:
        return None
    return result
