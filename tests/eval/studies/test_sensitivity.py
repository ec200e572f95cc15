"""Perturbations of known strength: what they do to a clip, and that the metrics follow them, on real footage."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.errors import InputError
from dawn.media.video import load_frames, probe
from dawn.media.video_writer import write_video
from eval.backbones.syncnet import SyncNet
from eval.cli import main
from eval.extract.catalogue import TRAINED_LIP_SYNC
from eval.extract.spec import ExtractorOptions
from eval.extract.video import DecodedVideo
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import METRICS
from eval.stats import bootstrap
from eval.stats.bootstrap import Estimate
from eval.studies.perturb import PERTURBATIONS, perturb_folder, read_clip
from eval.studies.sensitivity import Curve, PerturbationBench, estimate, following, write_curves

LONG = 33  # frames of a real clip: two windows of 16, and one left over


def _drawn(seed: int, frames: int = 20) -> DecodedVideo:
    rng = np.random.default_rng(seed)
    smooth = np.linspace(30, 220, 32)[None, :, None, None] + rng.uniform(-20, 20, (frames, 1, 32, 3))
    return DecodedVideo(np.clip(smooth, 0, 255).astype(np.uint8), rng.normal(0, 0.1, frames * 640).astype(np.float32))


# ----------------------------------------------------------------------------------------------------- perturbations
@pytest.mark.parametrize("name", PERTURBATIONS)
def test_strength_0_changes_nothing_and_lengths_stay(name: str) -> None:
    one, clip, other = PERTURBATIONS[name], _drawn(0), _drawn(1, 13)
    assert one(clip, 0, other) is clip
    assert one.strengths[0] == 0
    assert list(one.strengths) == sorted(set(one.strengths))
    hurt = one(clip, one.strengths[-1], other)
    assert hurt.frames.shape == clip.frames.shape
    assert hurt.frames.dtype == np.uint8
    assert hurt.audio.shape == clip.audio.shape
    touched = (not np.array_equal(hurt.frames, clip.frames), not np.array_equal(hurt.audio, clip.audio))
    assert touched == (one.stream == "frames", one.stream == "audio")
    assert np.array_equal(one(clip, one.strengths[-1], other).frames, hurt.frames)
    for wrong in (-1, one.strengths[-1] + 1, math.nan):
        with pytest.raises(InputError, match=name):
            one(clip, wrong, other)


def test_each_damage_is_what_it_says() -> None:
    clip, other = _drawn(0), _drawn(1, 13)
    frozen = PERTURBATIONS["freeze"](clip, 50, other).frames
    assert np.array_equal(frozen[:10], clip.frames[:10])
    assert (frozen[10:] == clip.frames[9]).all()
    shuffled = PERTURBATIONS["shuffle"](clip, 8, other).frames
    for start in (0, 8, 16):
        mixed, kept = shuffled[start : start + 8], clip.frames[start : start + 8]
        assert sorted(frame.tobytes() for frame in mixed) == sorted(frame.tobytes() for frame in kept)
    swapped = PERTURBATIONS["swap"](clip, 25, other).frames
    assert np.array_equal(swapped[:15], clip.frames[:15])
    assert np.array_equal(swapped[15:], other.frames[[2, 3, 4, 5, 6]])  # the 13 frames of the other begin again
    late = PERTURBATIONS["delay"](clip, 3, other).audio
    assert not late[: 3 * 640].any()
    assert np.array_equal(late[3 * 640 :], clip.audio[: -3 * 640])
    assert PERTURBATIONS["dim"](clip, 40, other).frames == pytest.approx(clip.frames * 0.6, abs=0.5001)
    tone = DecodedVideo(clip.frames, np.sin(2 * np.pi * 400 * np.arange(16000) / 16000).astype(np.float32))
    octave = np.abs(np.fft.rfft(PERTURBATIONS["pitch"](tone, 12, other).audio[2000:14000]))
    assert np.argmax(octave) * 16000 / 12000 == pytest.approx(800, abs=3)


def test_blur_is_relative_to_the_frame() -> None:
    edge = np.zeros((1, 200, 200, 3), np.uint8)
    edge[:, :, 100:] = 255
    blurred = PERTURBATIONS["blur"](DecodedVideo(edge, np.empty(0, np.float32)), 2, _drawn(0)).frames[0, 100, :, 0]
    # A Gaussian of sigma 4 px: an edge passes 16 % and 84 % one sigma to either side.
    assert np.interp(255 * 0.1587, blurred, np.arange(200)) == pytest.approx(99.5 - 4, abs=0.3)


def test_folders_are_damaged_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.txt").write_text("a\nb\n")
    write_video(tmp_path / "in/a.mp4", _drawn(0).frames, audio=_drawn(0).audio)
    write_video(tmp_path / "in/b.mp4", _drawn(1).frames)  # no sound
    run = ["perturb", "delay", "--clips", str(tmp_path / "list.txt"), "--videos", str(tmp_path / "in")]
    assert main([*run, "--strength", "2", "--out", str(tmp_path / "out")]) == 0
    assert [probe(tmp_path / f"out/{name}.mp4").has_audio for name in "ab"] == [True, False]
    assert np.abs(load_frames(tmp_path / "out/a.mp4").astype(int) - load_frames(tmp_path / "in/a.mp4")).mean() < 2
    assert main([*run, "--strength", "99", "--out", str(tmp_path / "out")]) == 2
    assert "strengths are 0 to 8" in capsys.readouterr().err
    with pytest.raises(InputError, match="blur, reencode"):
        perturb_folder("melt", 1, tmp_path / "in", ["a"], tmp_path / "out")
    with pytest.raises(InputError, match="name another folder"):
        perturb_folder("blur", 1, tmp_path / "in", ["a"], tmp_path / "in")


# ------------------------------------------------------------------------------------------------------------ verdicts
def test_a_curve_that_does_not_follow_says_so(tmp_path: Path) -> None:
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
    bench: PerturbationBench, clips: list[DecodedVideo], name: str, metric: str, strengths: tuple[float, ...]
) -> None:
    perturbation, measured = PERTURBATIONS[name], METRICS[metric]
    real = [bench.perturbed_features(clip, perturbation, {}, [measured]) for clip in clips]
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
        own = bench.perturbed_features(changed, PERTURBATIONS[perturbation], features, [METRICS[metric]])
        fake = {**own, name: own[name] | {"lips": fitting}}
        return estimate(METRICS[metric], ClipSet([features], [fake], bootstrap.draws(1, 2, 0), 0.95, 0)).value

    assert [measured("delay", n, "offset_own") for n in (0, 2, 5)] == [0, -2, -5]
    for perturbation, strengths in [("delay", (0, 1, 2)), ("pitch", (0, 3))]:
        assert (np.diff([measured(perturbation, n, "lse_d_unshifted_own") for n in strengths]) > 0).all()


def test_what_cannot_be_measured_has_no_value(bench: PerturbationBench) -> None:
    """No face, no audio, and shorter than a window."""
    blank = DecodedVideo(np.full((12, 64, 64, 3), 90, np.uint8), np.empty(0, np.float32))
    features = bench.features(blank)
    clips = ClipSet([features], [features], bootstrap.draws(1, 2, 0), 0.95, 0)
    assert len(features[METRICS["fvd16"].fake[0].name]["rows"]) == 0
    for metric in (metric for metric in METRICS.values() if metric.follows and metric.name != "fd_efficientnet"):
        assert math.isnan(estimate(metric, clips).value), metric.name
