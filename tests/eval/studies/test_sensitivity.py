"""Sensitivity of the metrics to perturbations: verdicts of curves, and real clips that the metrics follow."""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.backbones.syncnet import SyncNet
from eval.extract.catalogue import TRAINED_LIP_SYNC
from eval.extract.spec import ExtractorOptions, Features
from eval.extract.video import DecodedVideo
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import METRICS
from eval.stats import bootstrap
from eval.stats.bootstrap import Estimate
from eval.studies.perturb import PERTURBATIONS, read_clip
from eval.studies.sensitivity import Curve, PerturbationBench, estimate, following, write_curves

LONG = 33  # frames of a real clip: two windows of 16, and one left over


# ------------------------------------------------------------------------------------------------------------ verdicts
def test_verdicts_of_curves_that_do_and_do_not_follow(tmp_path: Path) -> None:
    def curve(*values: float, direction: int = 1) -> Curve:
        return Curve(
            PERTURBATIONS["blur"], METRICS["fvd16"], direction, tuple(Estimate(v, v - 1, v + 1, 3) for v in values)
        )

    cases = {
        "monotone": [curve(0, 1, 2, 2, 5), curve(1, 0.5, 0.5, 0.2, 0, direction=-1)],
        "not monotone, 1 of 4 steps back": [curve(0, 1, 3, 2, 5)],
        "does not follow": [curve(0, 1, 2, 3, 4, direction=-1), curve(2, 2, 2, 2, 2)],
        "not measured": [curve(0, 1, math.nan, 3, 4)],
    }
    for verdict, curves in cases.items():
        assert [one.verdict for one in curves] == [verdict] * len(curves)
    every = [one for curves in cases.values() for one in curves]
    write_curves(every, tmp_path / "s.csv")
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert len(rows) == 5 * len(every)
    assert rows[1] == {
        "perturbation": "blur", "unit": "Gaussian sigma, % of the shorter side", "strength": "0.5", "metric": "fvd16",
        "value": "1", "low": "0", "high": "2", "clips": "3", "expected": "up", "verdict": "monotone",
    }  # fmt: skip


def test_every_perturbation_has_a_metric_that_should_move() -> None:
    assert all(following(name) for name in PERTURBATIONS)
    assert {name for metric in METRICS.values() for name in metric.follows} <= set(PERTURBATIONS)


# ---------------------------------------------------------------------------------------------------------- real clips
@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> PerturbationBench:
    """The real networks; the SyncNet is a random one, with which only shifts of the audio mean anything."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sync") / "sync.safetensors"
    SyncNet(48, 0.25).save(path)
    return PerturbationBench(ExtractorOptions(256, path))


@pytest.fixture(scope="module")
def clips(real: Path) -> list[DecodedVideo]:
    """The beginnings of two real people."""
    read = [read_clip(real / "clips" / f"{name}.mpg") for name in ("grid_lbax4n", "grid_lrwp9a")]
    return [
        DecodedVideo(np.ascontiguousarray(clip.frames[:LONG, :, 36:324]), clip.audio[: LONG * 640]) for clip in read
    ]


@pytest.fixture(scope="module")
def unperturbed(bench: PerturbationBench, clips: list[DecodedVideo]) -> Callable[[str], list[Features]]:
    """Features of the clips for a metric, extracted once."""

    @functools.cache
    def extract(metric: str) -> list[Features]:
        return [bench.perturbed_features(clip, PERTURBATIONS["blur"], {}, [METRICS[metric]]) for clip in clips]

    return extract


@pytest.mark.parametrize(
    ("name", "metric", "strengths"),
    [
        ("blur", "fd_efficientnet", (0, 1, 4)),
        ("reencode", "fd_efficientnet", (0, 30, 50)),
        ("dim", "fd_efficientnet", (0, 40, 80)),
        ("swap", "csim_dlib", (0, 50, 100)),
        ("freeze", "fvd16", (0, 50, 100)),
        ("shuffle", "fvd16", (0, 2, 16)),
    ],
)
def test_metrics_follow_perturbations_of_the_frames(
    bench: PerturbationBench,
    clips: list[DecodedVideo],
    unperturbed: Callable[[str], list[Features]],
    name: str,
    metric: str,
    strengths: tuple[float, ...],
) -> None:
    perturbation, measured, real = PERTURBATIONS[name], METRICS[metric], unperturbed(metric)
    counts = bootstrap.draws(len(clips), 2, 0)
    values = []
    for strength in strengths:
        perturbed = [perturbation(clip, strength, clips[1 - k]) for k, clip in enumerate(clips)]
        fake = [
            bench.perturbed_features(clip, perturbation, real[k], [measured]) if strength else real[k]
            for k, clip in enumerate(perturbed)
        ]
        values.append(estimate(measured, ClipSet(real, fake, counts, 0.95, 0)).value)
    assert values[0] == pytest.approx(1 if metric == "csim_dlib" else 0, abs=1e-6)
    steps = np.diff(values) * measured.follows[name]
    assert (steps > 0).all(), values


def test_sync_follows_perturbations_of_the_audio(bench: PerturbationBench, clips: list[DecodedVideo]) -> None:
    """Lips that fit their audio exactly: the delay is found to the frame, and a changed pitch separates them."""
    clip = clips[0]
    features = bench.features(clip)
    name = TRAINED_LIP_SYNC.name
    fitting = features[name]["sound"]
    assert len(fitting) == LONG - 5

    def measured(perturbation: str, strength: float, metric: str) -> float:
        changed = PERTURBATIONS[perturbation](clip, strength, clips[1])
        of_changed = bench.perturbed_features(changed, PERTURBATIONS[perturbation], features, [METRICS[metric]])
        fake = {**of_changed, name: of_changed[name] | {"lips": fitting}}
        return estimate(METRICS[metric], ClipSet([features], [fake], bootstrap.draws(1, 2, 0), 0.95, 0)).value

    assert [measured("delay", n, "offset_own") for n in (0, 2, 5)] == [0, -2, -5]
    for perturbation, strengths in [("delay", (0, 1, 2)), ("pitch", (0, 3))]:
        assert (np.diff([measured(perturbation, n, "lse_d_unshifted_own") for n in strengths]) > 0).all()


def test_metrics_without_face_or_audio_have_no_value(bench: PerturbationBench) -> None:
    """No face, no audio, and shorter than a window."""
    blank = DecodedVideo(np.full((12, 64, 64, 3), 90, np.uint8), np.empty(0, np.float32))
    features = bench.features(blank)
    clips = ClipSet([features], [features], bootstrap.draws(1, 2, 0), 0.95, 0)
    assert len(features[METRICS["fvd16"].fake[0].name]["rows"]) == 0
    for metric in (metric for metric in METRICS.values() if metric.follows and metric.name != "fd_efficientnet"):
        assert math.isnan(estimate(metric, clips).value), metric.name
