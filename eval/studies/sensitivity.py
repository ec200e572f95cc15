"""Does each metric move when what it is for is damaged? True clips, damaged on purpose, measured against themselves.

Writes one row a perturbation, strength and metric, and a picture of them. Whether a metric moves monotonically is
stated as it is measured: a metric that does not is shown as one that does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.media.csv_files import write_rows
from dawn.media.files import atomic_path
from eval.backbones import dlib_face, efficientnet, i3d, syncnet
from eval.extract.clip_list import video_path
from eval.extract.faces import see
from eval.extract.mouth_crop import mouth_crops
from eval.extract.video import FPS
from eval.metrics import bas, csim, fd_efficientnet, fvd, lse
from eval.metrics.blink import blink_rate
from eval.stats import bootstrap
from eval.stats.bootstrap import Estimate
from eval.studies.perturb import PERTURBATIONS, Clip, Perturbation

Arrays = dict[str, NDArray[Any]]
UP, DOWN = 1, -1
# The arrays that each metric is made of, and its name in pictures.
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "fvd16": ("FVD16", ("fvd16",)),
    "fd_efficientnet": ("FD (EfficientNet)", ("frames",)),
    "csim_dlib": ("CSIM (dlib)", ("faces",)),
    "lse_c_own": ("LSE_C (own)", ("lips", "sound")),
    "lse_d_own": ("LSE_D (own)", ("lips", "sound")),
    "lse_d_unshifted": ("distance at offset 0", ("lips", "sound")),
    "offset": ("sound's offset, frames", ("lips", "sound")),
    "bas": ("BAS", ("pose", "audio_beats")),
    "blink_per_s": ("Blink/s", ("eyes",)),
}
_DISTANCES = {"fvd16": "fvd16", "fd_efficientnet": "frames"}
_OF_SOUND = ("sound", "audio_beats")
# What should move, and which way. The published LSE_C and LSE_D take the best of 31 shifts: a delay moves the offset.
EXPECTED: dict[str, dict[str, int]] = {
    "blur": {"fvd16": UP, "fd_efficientnet": UP, "csim_dlib": DOWN},
    "reencode": {"fvd16": UP, "fd_efficientnet": UP},
    "dim": {"fd_efficientnet": UP},
    "swap": {"csim_dlib": DOWN},
    "freeze": {"fvd16": UP, "lse_c_own": DOWN, "blink_per_s": DOWN},
    "shuffle": {"fvd16": UP, "lse_c_own": DOWN, "bas": DOWN},
    "pitch": {"lse_c_own": DOWN, "lse_d_own": UP},
    "delay": {"offset": DOWN, "lse_d_unshifted": UP, "bas": DOWN},
}


@dataclass(frozen=True)
class Curve:
    """One metric under one perturbation: an estimate at each strength, and the way it should go (1 up, -1 down)."""

    perturbation: Perturbation
    metric: str
    direction: int
    estimates: tuple[Estimate, ...]

    @property
    def verdict(self) -> str:
        """``monotone``, or in how many steps it does not follow. Two equal values in a row are no step back."""
        values = np.asarray([one.value for one in self.estimates])
        if not np.isfinite(values).all():
            return "not measured"
        steps = np.diff(values) * self.direction
        rounding = 1e-9 * float(np.abs(values).max())
        if (values[-1] - values[0]) * self.direction <= rounding:
            return "does not follow"
        back = int((steps < -rounding).sum())
        return f"not monotone, {back} of {len(steps)} steps back" if back else "monotone"


class Bench:
    """The networks of the metrics, of which a clip meets only those whose input a perturbation touches."""

    def __init__(self, detect_side: int, syncnet_weights: Path) -> None:
        self._detect_side = detect_side
        self._sync = syncnet.load(syncnet_weights)
        self._i3d = i3d.load()
        self._images = efficientnet.EfficientNetLite0()
        self._faces = dlib_face.DlibFace()

    def picture(self, frames: NDArray[np.uint8], wanted: set[str]) -> Arrays:
        """(N, H, W, 3) frames -> the wanted arrays of :data:`METRICS` that are made of frames alone."""
        arrays: Arrays = {}
        if "fvd16" in wanted:
            arrays["fvd16"] = fvd.window_features(frames, self._i3d, 16)
        if "frames" in wanted:
            arrays["frames"] = fd_efficientnet.frame_features(frames, self._images)
        if wanted & {"faces", "lips", "pose", "eyes"}:
            seen = see(frames, self._detect_side)
            found = seen["found"]
            points = np.where(found[:, None, None], seen["landmarks"], np.nan)
            if "faces" in wanted:
                arrays["faces"] = self._faces(frames[:: csim.EVERY], points[:: csim.EVERY])
            if "lips" in wanted:
                side = self._sync.side
                none = np.empty((0, side, side, 3), np.uint8)
                mouths = mouth_crops(frames, seen["landmarks"], found, side) if found.any() else none
                silence = np.zeros(len(mouths) * lse.SAMPLES, np.float32)
                arrays["lips"] = lse.embeddings(self._sync, mouths, silence)[0]
            if "pose" in wanted:
                arrays["pose"] = np.where(found[:, None], seen["pose"], np.nan)
            if "eyes" in wanted:
                arrays["eyes"] = np.where(found[:, None], eye_aspect_ratios(seen["landmarks"]), np.nan)
        return arrays

    def sound(self, audio: NDArray[np.float32], wanted: set[str]) -> Arrays:
        """(T,) sound -> the wanted arrays of :data:`METRICS` that are made of sound alone."""
        arrays: Arrays = {}
        if "sound" in wanted:
            count = lse.window_count(len(audio) // lse.SAMPLES, len(audio))
            arrays["sound"] = np.empty((0, self._sync.size), np.float32)
            if count:
                with torch.inference_mode():
                    windows = torch.from_numpy(lse.audio_windows(lse.mfcc(audio), count))
                    arrays["sound"] = self._sync.embed_sound(windows).numpy()
        if "audio_beats" in wanted:
            arrays["audio_beats"] = bas.audio_beats(audio, fps=FPS)
        return arrays


def sensitivity(
    config: Config, names: Sequence[str], videos: Path, syncnet_weights: Path, *, clips: int = 8
) -> list[Curve]:
    """Damage `clips` clips, spread over the list, in every way and strength -> a curve for each entry of EXPECTED.

    Raises InputError for fewer than two clips or a missing video.
    """
    torch.set_num_threads(config.evaluate.threads)
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(clips, len(names))).round().astype(int)]
    if len(chosen) < 2:
        raise InputError("sensitivity needs two clips or more: one is put into another's place")
    read = [Clip.read(video_path(videos, name)) for name in chosen]
    bench = Bench(config.features.detect_side, syncnet_weights)
    every = {array for _, arrays in METRICS.values() for array in arrays}
    bar = tqdm(total=len(read) * (1 + sum(len(PERTURBATIONS[name].strengths) - 1 for name in EXPECTED)), unit="clip")
    true: list[Arrays] = []
    for clip in read:
        true.append(bench.picture(clip.frames, every) | bench.sound(clip.audio, every))
        bar.update()
    counts = bootstrap.draws(len(read), config.evaluate.bootstrap, config.evaluate.seed)
    curves = []
    for name, expected in EXPECTED.items():
        bar.set_description(name)
        one = PERTURBATIONS[name]
        wanted = {array for metric in expected for array in METRICS[metric][1]}
        estimates: dict[str, list[Estimate]] = {metric: [] for metric in expected}
        for strength in one.strengths:
            made = true
            if strength:
                made = []
                for k, clip in enumerate(read):
                    # Others are half the list away, since neighbours may be one person.
                    other = read[(k + len(read) // 2) % len(read)]
                    made.append(true[k] | _again(bench, one, one(clip, strength, other), wanted))
                    bar.update()
            for metric in expected:
                estimates[metric].append(estimate(metric, true, made, counts, config.evaluate.interval))
        curves += [Curve(one, metric, way, tuple(estimates[metric])) for metric, way in expected.items()]
    bar.close()
    return curves


def _again(bench: Bench, one: Perturbation, clip: Clip, wanted: set[str]) -> Arrays:
    if one.part == "sound":
        return bench.sound(clip.audio, wanted & set(_OF_SOUND))
    return bench.picture(clip.frames, wanted - set(_OF_SOUND))


def estimate(
    metric: str, true: Sequence[Arrays], made: Sequence[Arrays], counts: NDArray[np.int64], coverage: float
) -> Estimate:
    """One metric of damaged clips, with its interval over clips."""
    if metric in _DISTANCES:
        array = _DISTANCES[metric]
        return bootstrap.distance([a[array] for a in true], [b[array] for b in made], counts, coverage, label=metric)
    return bootstrap.mean([of_clip(metric, a, b) for a, b in zip(true, made, strict=True)], counts, coverage)


def of_clip(metric: str, true: Mapping[str, NDArray[Any]], made: Mapping[str, NDArray[Any]]) -> float:
    """A metric of one clip; NaN where it has none (no face, no sound)."""
    if metric == "csim_dlib":
        return csim.csim(true["faces"], made["faces"]).csim
    if metric == "bas":
        seen = np.isfinite(made["pose"]).any()
        return bas.bas(bas.motion_beats(made["pose"]), made["audio_beats"]) if seen else math.nan
    if metric == "blink_per_s":
        return blink_rate(made["eyes"], FPS)
    count = min(len(made["lips"]), len(made["sound"]))
    if not count:
        return math.nan
    lips, sound = made["lips"][:count], made["sound"][:count]
    if metric == "lse_d_unshifted":
        return float(lse.distances(lips, sound)[lse.VSHIFT])
    synced = lse.sync(lips, sound)
    return {"lse_c_own": synced.lse_c, "lse_d_own": synced.lse_d, "offset": float(synced.offset)}[metric]


def write_curves(curves: Sequence[Curve], out: Path) -> None:
    """CSV: perturbation, unit, strength, metric, value, low, high, clips, expected, verdict."""
    header = ("perturbation", "unit", "strength", "metric", "value", "low", "high", "clips", "expected", "verdict")
    rows: list[tuple[object, ...]] = []
    for curve in curves:
        one, way = curve.perturbation, "up" if curve.direction == UP else "down"
        for strength, e in zip(one.strengths, curve.estimates, strict=True):
            figures = [f"{x:.9g}" if math.isfinite(x) else "" for x in (e.value, e.low, e.high)]
            rows.append((one.name, one.unit, f"{strength:g}", curve.metric, *figures, e.n, way, curve.verdict))
    write_rows(out, header, rows)


def draw(curves: Sequence[Curve], out: Path) -> None:
    """Small multiples, a row a perturbation; above each curve the metric, the way it should go, and whether it does."""
    rows = list(dict.fromkeys(curve.perturbation.name for curve in curves))
    columns = max(sum(curve.perturbation.name == name for curve in curves) for name in rows)
    figure = Figure(figsize=(3.1 * columns, 1.75 * len(rows)), dpi=150, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for name, line in zip(rows, grid, strict=True):
        mine = [curve for curve in curves if curve.perturbation.name == name]
        for k, axes in enumerate(line):
            if k < len(mine):
                _panel(axes, mine[k])
                axes.set_ylabel(name if k == 0 else "", fontsize=9, fontweight="bold")
            else:
                axes.set_axis_off()
    with atomic_path(out) as aside:
        figure.savefig(aside)


def _panel(axes: Axes, curve: Curve) -> None:
    x = curve.perturbation.strengths
    good = curve.verdict == "monotone"
    colour = "tab:blue" if good else "tab:red"
    axes.fill_between(
        x, [e.low for e in curve.estimates], [e.high for e in curve.estimates], color=colour, alpha=0.2, linewidth=0
    )
    axes.plot(x, [e.value for e in curve.estimates], color=colour, marker="o", markersize=3, linewidth=1.2)
    arrow = "\N{UPWARDS ARROW}" if curve.direction == UP else "\N{DOWNWARDS ARROW}"
    axes.set_title(f"{METRICS[curve.metric][0]} {arrow} {curve.verdict}", fontsize=7, color="black" if good else colour)
    axes.set_xlabel(curve.perturbation.unit, fontsize=6)
    axes.set_xticks(x)
    axes.tick_params(labelsize=6)
