"""Time, memory and data of a training stage on one card, from measured steps.

A step's time is that of a measured one, times the ratios of samples, frames and pixels, and of the bandwidths of the
two cards; what the training process drew on the CPU does not change with the card. Passes and GPUs divide the batch as
:class:`dawn.training.division.Division` does, and a pass takes at least the time to launch its kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dawn.config import A2vStage, Config
from dawn.errors import InputError
from dawn.plan.cards import Card, card_of, slowdown
from dawn.plan.measurements import (
    Measurements,
    Products,
    StepMeasurement,
    frames_of,
    network_of,
    step_for,
)
from dawn.stages import clips_of, schedule_of

Basis = Literal["measured", "scaled", "estimated", "unknown"]
WORKERS = 8  # that load batches for a GPU by default, as dawn.training.loader.MOST


@dataclass(frozen=True)
class Step:
    """A training step: seconds on all GPUs together with the part in which the training process drew the batch."""

    seconds: float | None
    drawing: float
    basis: Basis
    how: str


@dataclass(frozen=True)
class Memory:
    """Peak memory of a GPU, GiB, with the samples of one GPU in one pass and in as many passes as fit the card.

    None: not known, or no number of passes fits.
    """

    one_pass_gib: float | None
    passes: int | None
    gib: float | None
    recompute_gib: float | None  # in one pass with recompute; A2V alone
    recompute_passes: int | None


@dataclass(frozen=True)
class Data:
    """Reading of a training stage: what the training needs, and what the packed clips give."""

    needs_mb_s: float | None  # of all GPUs
    store_mb_s: float  # of the processes that load for all GPUs
    workers: int  # of one GPU
    cores: float | None  # that loading occupies, for all GPUs


def step_time(
    config: Config,
    stage: str,
    card: Card,
    gpus: int,
    passes: int,
    known: Measurements,
    own: Sequence[StepMeasurement] = (),
) -> Step:
    """Compute the time of a step of `stage` on `gpus` cards, in `passes` passes on each.

    `own` are a user's measured steps, which precede those of `known`. Raises InputError when there are more GPUs than
    samples.
    """
    schedule = schedule_of(config, stage)
    if gpus > schedule.batch:
        raise InputError(f"{stage}: a batch of {schedule.batch} has no sample for each of {gpus} GPUs")
    share = math.ceil(schedule.batch / gpus)
    precision: Products = "tf32" if schedule.precision == "auto" else schedule.precision
    compiled = isinstance(schedule, A2vStage) and schedule.compile
    measured = step_for(config, stage, precision, compiled, own, known.steps)
    if measured is None:
        seconds, drawing, basis, how = _estimated(config, stage, card, share, known, own)
    else:
        seconds, drawing, basis, how = _scaled(config, stage, card, share, measured)
        if measured.precision != precision:
            basis, how = "scaled" if basis == "measured" else basis, f"{how}; {precision} was not measured"
        if compiled and not measured.compiled:
            how += "; without compilation, whose gain was not measured"
    if seconds is None:
        return Step(None, 0.0, "unknown", how)
    if isinstance(schedule, A2vStage) and schedule.recompute:
        factor = known.declared.recompute_time
        seconds, how = drawing + (seconds - drawing) * factor, f"{how}; x {factor:g} recompute"
    floor = passes * known.counts.kernels.get(stage, 0) * known.counts.kernel_seconds
    if floor > seconds:
        seconds, drawing, how = floor, 0.0, f"{how}; at least {floor * 1000:.0f} ms to launch its kernels"
    loading = share * core_seconds(config, stage, known)
    workers = workers_of(config)
    if not workers:
        seconds, drawing = seconds - drawing + loading, loading
        how += f"; {loading * 1000:.0f} ms to load the batch, without workers"
    elif loading / workers > seconds:
        seconds, drawing = loading / workers, 0.0
        how += f"; at least {seconds * 1000:.0f} ms for {workers} workers to load the batch"
    if gpus > 1:
        efficiency = known.declared.exchange_efficiency
        seconds /= efficiency
        how += f"; {share} samples a GPU, / {efficiency:g} for exchanging gradients (assumed)"
    return Step(seconds, drawing, basis, how)


def _scaled(
    config: Config, stage: str, card: Card, share: int, step: StepMeasurement
) -> tuple[float | None, float, Basis, str]:
    """Scale a measured step to `share` samples on `card`; returns seconds, drawing, basis and the arithmetic."""
    ratio = slowdown(card_of(step.device), card)
    frames = frames_of(config, stage)
    samples, length = share / step.batch, frames / step.frames
    pixels = (config.corpus.resolution / step.side) ** 2 if stage != "pbnet" else 1.0
    how = (
        f"{step.seconds * 1000:.0f} ms for {step.batch} x {step.frames:g} frames at {step.side} px, {step.precision}, "
        f"{step.device}, torch {step.torch}, code {step.code}"
    )
    if ratio is None:
        return None, 0.0, "unknown", f"{how}: the bandwidth of {card.title} or of that card is not known"
    work = samples * length * pixels
    drawing = step.drawing * work
    seconds = (step.seconds - step.drawing) * work * ratio + drawing
    applied = factors(samples=samples, frames=length, pixels=pixels, bandwidth=ratio)
    return seconds, drawing, "scaled" if applied else "measured", how + applied


def factors(**values: float) -> str:
    """Write the factors that are not 1, each with its name, as a continuation of a sentence."""
    return "".join(f", x {value:.3g} {name}" for name, value in values.items() if value != 1)


def _estimated(
    config: Config, stage: str, card: Card, share: int, known: Measurements, own: Sequence[StepMeasurement]
) -> tuple[float | None, float, Basis, str]:
    """Estimate a step that was not measured from its counted operations and kernels."""
    counts = known.counts
    operations = counts.gflop_a_sample.get(stage)
    reference = next((step for step in known.steps if (step.stage, step.precision) == ("a2v_stage1", "tf32")), None)
    if stage != "pbnet" or operations is None or reference is None or network_of(config, stage) != "published":
        return None, 0.0, "unknown", "networks of these sizes were not measured; measure them and give --measured"
    ratio = slowdown(card_of(reference.device), card)
    if ratio is None:
        return None, 0.0, "unknown", f"not in the measured steps, and the bandwidth of {card.title} is not known"
    networks = 1 if config.pbnet.joint else 2
    rate = counts.gflop_a_sample["a2v_stage1"] * reference.batch / reference.seconds / ratio
    launching = counts.kernels[stage] * networks * counts.kernel_seconds
    gflop = operations * share * networks * frames_of(config, stage) / known.counts.pbnet_frames
    how = (
        f"not measured: {gflop:.0f} GFLOP (counted) at {rate / 1000:.1f} TFLOP/s, the rate of a2v_stage1 in tf32, "
        f"and {counts.kernels[stage] * networks} kernels of {counts.kernel_seconds * 1e6:.0f} us"
    )
    return gflop / rate + launching, 0.0, "estimated", how


def memory(
    config: Config,
    stage: str,
    card: Card,
    gpus: int,
    known: Measurements,
    own: Sequence[StepMeasurement] = (),
) -> Memory:
    """Compute the peak memory of one of `gpus` cards, and the passes in which it fits.

    It is that of a measured step, whose part above weights and optimiser grows with samples, longest clip and pixels.
    ``recompute`` takes away what an A2V step was counted to keep less. Passes are those of the schedule, or doubled
    until they fit as in training.
    """
    schedule = schedule_of(config, stage)
    precision: Products = "tf32" if schedule.precision == "auto" else schedule.precision
    share = math.ceil(schedule.batch / gpus)
    step = step_for(config, stage, precision, False, own, known.steps)
    if step is None or step.peak_gib is None:
        return Memory(None, schedule.accumulate or 1, None, None, None)
    clips = None if stage in ("lfg", "pbnet") else clips_of(config, stage)
    frames = frames_of(config, stage) if clips is None else clips.frames_max
    pixels = (config.corpus.resolution / step.side) ** 2 if stage != "pbnet" else 1.0
    fixed = min(known.counts.fixed_gib[stage], step.peak_gib)
    sample = (step.peak_gib - fixed) / step.batch * frames / step.frames * pixels
    counts = known.counts
    kept = counts.kept_gib_a_frame - counts.recomputing_gib_a_frame
    saved = kept * frames * (config.corpus.resolution / counts.kept_side) ** 2
    lower = None if clips is None else max(sample - saved, 0.0)
    used = lower if lower is not None and clips is not None and clips.recompute else sample
    limit = None if card.memory is None else card.memory * known.declared.usable_memory
    passes = schedule.accumulate or _passes(fixed, used, share, limit)
    return Memory(
        one_pass_gib=fixed + used * share,
        passes=passes,
        gib=None if passes is None else fixed + used * math.ceil(share / passes),
        recompute_gib=None if lower is None else fixed + lower * share,
        recompute_passes=None if lower is None else _passes(fixed, lower, share, limit),
    )


def _passes(fixed: float, sample: float, share: int, limit: float | None) -> int | None:
    """Return the number of passes, doubled from one, in which `share` samples fit `limit` GiB; None: in none."""
    if limit is None:
        return 1
    passes = 1
    while fixed + sample * math.ceil(share / passes) > limit:
        if passes >= share:
            return None
        passes = min(2 * passes, share)
    return passes


def workers_of(config: Config) -> int:
    """Return the number of processes that load batches for a GPU."""
    return WORKERS if config.data.workers is None else config.data.workers


def core_seconds(config: Config, stage: str, known: Measurements) -> float:
    """Return the seconds of one core to draw and load a sample of a stage."""
    loading, store = known.loading, known.loading.stores[config.data.store]
    pixels = (config.corpus.resolution / loading.side) ** 2
    frames = frames_of(config, stage)
    if stage == "pbnet":
        return loading.pbnet * frames / loading.pbnet_frames
    return store.lfg * pixels if stage == "lfg" else store.a2v * pixels * (frames + 1) / store.a2v_frames


def data(config: Config, stage: str, gpus: int, seconds: float | None, known: Measurements) -> Data:
    """Compute the data that the training of a stage reads at `seconds` a step, and what the packed clips give."""
    image = known.loading.stores[config.data.store].frame_bytes * (config.corpus.resolution / known.loading.side) ** 2
    speech = 4 * config.features.speech.dim
    frames = frames_of(config, stage)
    if stage == "pbnet":
        size = frames * speech
    else:
        size = frames * image if stage == "lfg" else (frames + 1) * image + frames * speech  # with the source
    of_core, workers = core_seconds(config, stage, known), workers_of(config)
    batch = schedule_of(config, stage).batch
    return Data(
        needs_mb_s=None if seconds is None else size * batch / seconds / 1e6,
        store_mb_s=size / of_core * max(workers, 1) * gpus / 1e6,
        workers=workers,
        cores=None if seconds is None else of_core * batch / seconds,
    )
