"""Time, memory and data of a training stage on one card, from measured steps.

A step's time is that of a measured one, times the ratios of samples, frames and pixels, and of the bandwidths of the
two cards; what the training process drew on the CPU does not change with the card. Passes and GPUs divide the batch as
:class:`dawn.training.division.Division` does, and a pass takes at least the time to launch its kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dawn.config import A2vStage, Config, Schedule
from dawn.errors import InputError
from dawn.plan.cards import Card, card_of, slowdown
from dawn.plan.measurements import PUBLISHED, Measurements, Products, StepMeasurement, network_of, step_for
from dawn.stages import clips_of, schedule_of

Basis = Literal["measured", "scaled", "estimated", "unknown"]
REFERENCE = ("a2v_stage1", "tf32")  # measured step whose rate is taken for a stage that was not measured
WORKERS = 8  # that load batches for a GPU by default, as dawn.training.loader.MOST


@dataclass(frozen=True)
class Step:
    """A training step: its seconds, and those of them in which the training process drew the batch."""

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


@dataclass(frozen=True)
class Training:
    """Training of a stage of a configuration on `gpus` cards, on clips of `clip_frames` frames on average.

    `own` are a user's measured steps, which precede those of `known`. Raises InputError when there are more GPUs than
    samples in a batch.
    """

    config: Config
    stage: str
    card: Card
    gpus: int
    clip_frames: float
    known: Measurements
    own: Sequence[StepMeasurement] = ()

    def __post_init__(self) -> None:
        if self.gpus > self.schedule.batch:
            raise InputError(
                f"{self.stage}: a batch of {self.schedule.batch} has no sample for each of {self.gpus} GPUs"
            )

    @property
    def schedule(self) -> Schedule:
        """Schedule of the stage."""
        return schedule_of(self.config, self.stage)

    @property
    def clips(self) -> A2vStage | None:
        """How an A2V stage samples clips; None for another stage."""
        return None if self.stage in ("lfg", "pbnet") else clips_of(self.config, self.stage)

    @property
    def share(self) -> int:
        """Largest number of samples of one GPU."""
        return math.ceil(self.schedule.batch / self.gpus)

    @property
    def frames(self) -> float:
        """Mean frames of a sample, without the source of A2V."""
        if self.clips is not None:
            return (self.clips.frames_min + self.clips.frames_max) / 2
        return 2 if self.stage == "lfg" else min(self.config.pbnet.train.frames, self.clip_frames)

    @property
    def workers(self) -> int:
        """Processes that load batches for a GPU."""
        return WORKERS if self.config.data.workers is None else self.config.data.workers

    @property
    def loading(self) -> float:
        """Seconds of one core to draw and load a sample."""
        loading = self.known.loading
        store, pixels = loading.stores[self.config.data.store], self._pixels(loading.side)
        if self.stage == "pbnet":
            return loading.pbnet * self.frames / loading.pbnet_frames
        return store.lfg * pixels if self.stage == "lfg" else store.a2v * pixels * (self.frames + 1) / store.a2v_frames

    def alone(self) -> Training:
        """Return the same training on one GPU."""
        return replace(self, gpus=1)

    def step(self, passes: int) -> Step:
        """Compute the time of a step in `passes` passes on each GPU."""
        measured, known = self._measured(), self.known
        step = self._estimated() if measured is None else self._scaled(measured, passes)
        if step.seconds is None:
            return step
        seconds, drawing, how = step.seconds, step.drawing, step.how
        loading = self.share * self.loading
        if not self.workers:
            seconds, drawing = seconds - drawing + loading, loading
            how += f"; {loading * 1000:.0f} ms to load the batch, without workers"
        elif loading / self.workers > seconds:
            seconds, drawing = loading / self.workers, 0.0
            how += f"; at least {seconds * 1000:.0f} ms for {self.workers} workers to load the batch"
        if self.gpus > 1:
            efficiency = known.declared.exchange_efficiency
            seconds /= efficiency
            how += f"; {self.share} samples a GPU, / {efficiency:g} for exchanging gradients (assumed)"
        return Step(seconds, drawing, step.basis, how)

    def memory(self) -> Memory:
        """Compute the peak memory of a GPU, and the passes in which it fits.

        It is that of a measured step, whose part above weights and optimiser grows with samples, longest clip and
        pixels. ``recompute`` takes away what an A2V step was counted to keep less. Passes are those of the schedule, or
        doubled until they fit as in training.
        """
        passes = self.schedule.accumulate
        step = self._measured()
        if step is None or step.peak_gib is None:
            return Memory(None, passes or 1, None, None, None)
        clips, counts = self.clips, self.known.counts
        frames = self.frames if clips is None else clips.frames_max
        fixed = min(counts.fixed_gib.get(self.stage, 0.0), step.peak_gib)
        sample = (step.peak_gib - fixed) / step.batch * frames / step.frames * self._pixels(step.side)
        kept = (counts.kept_gib_a_frame - counts.recomputing_gib_a_frame) * frames * self._pixels(counts.kept_side)
        sample += kept if step.recompute else 0.0
        lower = None if clips is None else max(sample - kept, 0.0)
        used = lower if clips is not None and clips.recompute and lower is not None else sample
        limit = None if self.card.memory is None else self.card.memory * self.known.declared.usable_memory
        share = self.share
        if passes is None:
            passes = _passes(fixed, used, share, limit)
        elif limit is not None and fixed + used * math.ceil(share / passes) > limit:
            passes = None
        return Memory(
            one_pass_gib=fixed + used * share,
            passes=passes,
            gib=None if passes is None else fixed + used * math.ceil(share / passes),
            recompute_gib=None if lower is None else fixed + lower * share,
            recompute_passes=None if lower is None else _passes(fixed, lower, share, limit),
        )

    def data(self, seconds: float | None) -> Data:
        """Compute the data that the training reads at `seconds` a step, and what the packed clips give."""
        loading = self.known.loading
        image = loading.stores[self.config.data.store].frame_bytes * self._pixels(loading.side)
        speech = 4 * self.config.features.speech.dim
        if self.stage == "pbnet":
            size = self.frames * speech
        elif self.stage == "lfg":
            size = self.frames * image
        else:
            size = (self.frames + 1) * image + self.frames * speech  # with the source
        batch = self.schedule.batch
        return Data(
            needs_mb_s=None if seconds is None else size * batch / seconds / 1e6,
            store_mb_s=size / self.loading * max(self.workers, 1) * self.gpus / 1e6,
            workers=self.workers,
            cores=None if seconds is None else self.loading * batch / seconds,
        )

    def _pixels(self, side: int) -> float:
        """Return the pixels of a frame relative to one of `side` pixels; 1 for PBNet, which has no frames."""
        return 1.0 if self.stage == "pbnet" else (self.config.corpus.resolution / side) ** 2

    @property
    def _precision(self) -> Products:
        return "tf32" if self.schedule.precision == "auto" else self.schedule.precision

    def _measured(self) -> StepMeasurement | None:
        """Return the measured step that is nearest to the stage's."""
        compiled = self.clips is not None and self.clips.compile
        return step_for(self.config, self.stage, self._precision, compiled, self.own, self.known.steps)

    def _scaled(self, step: StepMeasurement, passes: int) -> Step:
        """Scale a measured step to the samples of one GPU in `passes` passes."""
        how = (
            f"{step.seconds * 1000:.0f} ms for {step.batch} x {step.frames:g} frames at {step.side} px, "
            f"{step.precision}, {step.device}, torch {step.torch}, code {step.code}"
        )
        ratio = slowdown(card_of(step.device), self.card)
        if ratio is None:
            return Step(None, 0.0, "unknown", f"{how}: the bandwidth of {self.card.title} or of that card is not known")
        clips, known = self.clips, self.known
        recompute = int(clips is not None and clips.recompute) - int(step.recompute)
        samples, length, pixels = self.share / step.batch, self.frames / step.frames, self._pixels(step.side)
        again = known.declared.recompute_time**recompute
        work = samples * length * pixels
        drawing = step.drawing * work
        seconds = (step.seconds - step.drawing) * work * ratio * again + drawing
        applied = factors(samples=samples, frames=length, pixels=pixels, bandwidth=ratio, recompute=again)
        basis: Basis = "scaled" if applied else "measured"
        how += applied
        if step.precision != self._precision:
            basis, how = "scaled", f"{how}; {self._precision} was not measured"
        if clips is not None and clips.compile and not step.compiled:
            how += "; without compilation, whose gain was not measured"
        # A pass takes no less time to launch than its kernels do, which the measured step did in its own.
        launching = known.counts.kernels.get(self.stage, 0) * known.counts.kernel_seconds
        least = passes * min(launching, step.seconds - step.drawing)
        if least > seconds:
            return Step(least, 0.0, basis, f"{how}; at least {least * 1000:.0f} ms to launch its kernels")
        return Step(seconds, drawing, basis, how)

    def _estimated(self) -> Step:
        """Estimate a step that was not measured from its counted operations and kernels."""
        counts = self.known.counts
        operations = counts.gflop_a_sample.get(self.stage)
        if self.stage != "pbnet" or operations is None or network_of(self.config, self.stage) != PUBLISHED:
            how = "networks of these sizes were not measured; measure them and give --measured"
            return Step(None, 0.0, "unknown", how)
        networks = 1 if self.config.pbnet.joint else 2
        gflop = operations * self.share * networks * self.frames / counts.pbnet_frames
        return estimated_step(gflop, counts.kernels[self.stage] * networks, self.card, self.known)


def estimated_step(gflop: float, kernels: int, card: Card, known: Measurements) -> Step:
    """Estimate a step that was not measured, of counted operations and kernels, at the rate of a measured step."""
    reference = next(step for step in known.steps if (step.stage, step.precision) == REFERENCE)
    ratio = slowdown(card_of(reference.device), card)
    if ratio is None:
        how = f"not in the measured steps, and the bandwidth of {card.title} is not known"
        return Step(None, 0.0, "unknown", how)
    counts = known.counts
    rate = counts.gflop_a_sample[reference.stage] * reference.batch / reference.seconds / ratio
    how = (
        f"not measured: {gflop:.0f} GFLOP (counted) at {rate / 1000:.1f} TFLOP/s, the rate of {reference.stage} in "
        f"{reference.precision}, and {kernels} kernels of {counts.kernel_seconds * 1e6:.0f} us"
    )
    return Step(gflop / rate + kernels * counts.kernel_seconds, 0.0, "estimated", how)


def factors(**values: float) -> str:
    """Write the factors that are not 1, each with its name, as a continuation of a sentence."""
    return "".join(f", x {value:.3g} {name}" for name, value in values.items() if value != 1)


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
