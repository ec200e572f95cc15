"""Sensitivity of the metrics: real clips, perturbed with increasing strength, against the same clips unperturbed.

Writes one row for each perturbation, strength and metric. The direction in which a metric should change with a
perturbation is declared with the metric (:attr:`eval.metrics.registry.Metric.follows`); whether it does is reported as
measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.extract.catalogue import VIDEO
from eval.extract.features import FeatureExtractors
from eval.extract.spec import ExtractorOptions, Features, FeatureSpec
from eval.extract.video import DecodedVideo
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import METRICS, UP, Metric
from eval.stats import bootstrap
from eval.stats.bootstrap import Estimate
from eval.stats.sampling import evenly_spaced
from eval.studies.clip_list import video_path
from eval.studies.perturb import PERTURBATIONS, Perturbation, read_clip


@dataclass(frozen=True)
class Curve:
    """Response of one metric to one perturbation: an estimate at each strength, and the expected direction (UP or
    DOWN)."""

    perturbation: Perturbation
    metric: Metric
    direction: int
    estimates: tuple[Estimate, ...]

    @property
    def verdict(self) -> str:
        """``monotone``, ``does not follow``, ``not measured``, or the number of steps in the opposite direction.

        Two equal values in a row count as neither direction.
        """
        values = np.asarray([estimate.value for estimate in self.estimates])
        if not np.isfinite(values).all():
            return "not measured"
        steps = np.diff(values) * self.direction
        rounding = 1e-9 * float(np.abs(values).max())
        if (values[-1] - values[0]) * self.direction <= rounding:
            return "does not follow"
        back = int((steps < -rounding).sum())
        return f"not monotone, {back} of {len(steps)} steps back" if back else "monotone"


def following(perturbation: str) -> list[Metric]:
    """Return the metrics that should follow a perturbation, in the order of table columns."""
    return [metric for metric in METRICS.values() if perturbation in metric.follows]


def sensitivity(
    config: Config, names: Sequence[str], videos: Path, syncnet_weights: Path, *, clips: int = 8
) -> list[Curve]:
    """Measure the response of metrics to every perturbation and strength, on `clips` clips, evenly spaced in the list.

    Returns one curve for each perturbation and metric that should follow it. Raises InputError for fewer than two
    clips, a missing video, and absent weights.
    """
    import torch

    torch.set_num_threads(config.evaluate.threads)
    chosen = evenly_spaced(names, clips)
    if len(chosen) < 2:
        raise InputError("sensitivity needs two clips or more: one is swapped with another")
    decoded = [read_clip(video_path(videos, name)) for name in chosen]
    bench = PerturbationBench(ExtractorOptions(config.features.detect_side, syncnet_weights))
    counts = bootstrap.draws(len(decoded), config.evaluate.bootstrap, config.evaluate.seed)
    strengths = sum(len(perturbation.strengths) - 1 for perturbation in PERTURBATIONS.values())
    bar = tqdm(total=len(decoded) * (1 + strengths), unit="clip")
    real: list[Features] = []
    for clip in decoded:
        real.append(bench.features(clip))
        bar.update()
    curves = []
    for perturbation in PERTURBATIONS.values():
        bar.set_description(perturbation.name)
        metrics = following(perturbation.name)
        estimates: dict[str, list[Estimate]] = {metric.name: [] for metric in metrics}
        for strength in perturbation.strengths:
            perturbed = real
            if strength:
                perturbed = []
                for k, clip in enumerate(decoded):
                    # The other clip is half the list away: adjacent clips may be of one person.
                    other = decoded[(k + len(decoded) // 2) % len(decoded)]
                    changed = perturbation(clip, strength, other)
                    perturbed.append(bench.perturbed_features(changed, perturbation, real[k], metrics))
                    bar.update()
            clip_set = ClipSet(
                real, perturbed, counts, config.evaluate.interval, config.evaluate.seed, distance_limit=None
            )
            for metric in metrics:
                estimates[metric.name].append(estimate(metric, clip_set))
        curves += [
            Curve(perturbation, metric, metric.follows[perturbation.name], tuple(estimates[metric.name]))
            for metric in metrics
        ]
    bar.close()
    return curves


class PerturbationBench:
    """Feature extractors of the metrics that follow a perturbation; only features of changed streams are recomputed.

    Raises InputError for absent weights.
    """

    def __init__(self, options: ExtractorOptions) -> None:
        specs = [spec for name in PERTURBATIONS for metric in following(name) for spec in metric.specs]
        self._extractors = FeatureExtractors(specs, options)
        if self._extractors.missing:
            raise InputError("; ".join(self._extractors.missing.values()))

    def features(self, clip: DecodedVideo) -> Features:
        """Extract the features of an unperturbed clip for every metric."""
        return self._extractors.of_decoded(clip)

    def perturbed_features(
        self, clip: DecodedVideo, perturbation: Perturbation, real: Features, metrics: Sequence[Metric]
    ) -> Features:
        """Extract the features of a perturbed clip for `metrics`.

        Features that do not depend on the changed stream are those of the unperturbed clip (`real`).
        """
        specs: dict[str, FeatureSpec] = {VIDEO.name: VIDEO}
        for metric in metrics:
            for spec in metric.specs:
                specs |= {one.name: one for one in (*spec.requires, spec)}
        unchanged = {name: real[name] for name, spec in specs.items() if perturbation.stream not in spec.reads}
        return self._extractors.of_decoded(clip, unchanged, tuple(specs))


def estimate(metric: Metric, clips: ClipSet) -> Estimate:
    """Compute a metric of perturbed clips with its interval; NaN where nothing could be measured."""
    assert metric.compute is not None  # metrics that follow perturbations are computed from videos
    found = metric.compute(clips).aggregate
    if found is None:
        return Estimate(math.nan, math.nan, math.nan, 0)
    low, high = (math.nan if bound is None else bound for bound in (found.entry["low"], found.entry["high"]))
    return Estimate(found.entry["value"], low, high, found.entry["n"])


def write_curves(curves: Sequence[Curve], out: Path) -> None:
    """Write CSV: perturbation, unit, strength, metric, value, low, high, clips, expected, verdict."""
    header = ("perturbation", "unit", "strength", "metric", "value", "low", "high", "clips", "expected", "verdict")
    rows: list[tuple[object, ...]] = []
    for curve in curves:
        perturbation, direction = curve.perturbation, "up" if curve.direction == UP else "down"
        for strength, e in zip(perturbation.strengths, curve.estimates, strict=True):
            numbers = [f"{x:.9g}" if math.isfinite(x) else "" for x in (e.value, e.low, e.high)]
            start = (perturbation.name, perturbation.unit, f"{strength:g}", curve.metric.column)
            rows.append((*start, *numbers, e.n, direction, curve.verdict))
    write_rows(out, header, rows)
