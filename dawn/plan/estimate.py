"""The plan of a run: every stage from the corpus to the scores, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dawn.config import Config
from dawn.features.disk_space import bytes_needed
from dawn.methods import SCORED_METHODS, generated_methods, methods
from dawn.plan.cards import Card, card_of, slowdown
from dawn.plan.corpus import FPS, CorpusSize
from dawn.plan.measurements import PUBLISHED, Measurements, Products, StepMeasurement, measurements, network_of
from dawn.plan.training import Basis, Data, Memory, Step, Training, estimated_step, factors
from dawn.schedules import guidance_passes, total_steps
from dawn.stages import stages_of

JUDGE_CLIPS = 16  # windows of a clip, which a SyncNet batch has whole numbers of (eval.studies.train_syncnet)


@dataclass(frozen=True)
class StagePlan:
    """One stage: on GPUs, or on CPU cores."""

    stage: str
    steps: int | None  # of training; videos, for the generation of test videos
    batch: int | None
    step_seconds: float | None
    hours: float | None  # on all GPUs together
    gpu_hours: float | None
    core_hours: float | None
    dollars: float | None
    basis: Basis
    how: str


@dataclass(frozen=True)
class TrainingNeeds:
    """Data and memory of a training stage."""

    stage: str
    data: Data
    memory: Memory


@dataclass(frozen=True)
class DiskSpace:
    """Disk space of one kind of files."""

    files: str
    gb: float
    how: str


@dataclass(frozen=True)
class Plan:
    """What a run takes. Sums are those of the stages whose time is known; `unknown` names the others."""

    run: str
    corpus: CorpusSize
    card: Card
    gpus: int
    dollars_a_gpu_hour: float | None
    stages: tuple[StagePlan, ...]
    needs: tuple[TrainingNeeds, ...]
    disk: tuple[DiskSpace, ...]
    hours: float
    gpu_hours: float
    core_hours: float
    efficiency: float | None  # of training on several GPUs, against one; None for one
    drawing_hours: float  # part of gpu_hours in which the measured trainings drew batches
    dollars: float | None
    unknown: tuple[str, ...]


def make_plan(
    config: Config,
    corpus: CorpusSize,
    card: Card,
    gpus: int = 1,
    dollars: float | None = None,
    own: Sequence[StepMeasurement] = (),
) -> Plan:
    """Compute the plan of a run on `gpus` cards, at `dollars` per GPU hour.

    `own` are a user's measured steps, which precede those of ``measured.yaml``. Raises InputError when a batch has
    fewer samples than there are GPUs.
    """
    known = measurements()
    stages: list[StagePlan] = list(_preparation(config, corpus, known))
    needs = []
    drawing = alone = together = 0.0
    for stage in stages_of(config):
        training = Training(config, stage, card, gpus, corpus.frames, known, own)
        schedule = training.schedule
        steps = total_steps(schedule, corpus.train)
        memory = training.memory()
        if memory.passes is None:
            step = Step(None, 0.0, "unknown", "a pass of one sample does not fit the card's memory")
            if schedule.accumulate is not None:
                step = replace(step, how=f"does not fit the card's memory with accumulate: {schedule.accumulate}")
        else:
            step = training.step(memory.passes)
        if step.seconds is not None:
            drawing += steps * step.drawing * gpus / 3600
            if gpus > 1:
                single = training.alone()
                alone += steps * (single.step(single.memory().passes or 1).seconds or 0)
                together += steps * step.seconds * gpus
        needs.append(TrainingNeeds(stage, training.data(step.seconds), memory))
        stages.append(_on_gpus(stage, steps, schedule.batch, step, gpus, dollars))
    stages += [
        _judge(config, corpus, card, dollars, known),
        _videos(config, corpus, card, dollars, known),
        _scores(config, corpus),
    ]
    gpu_hours = sum(line.gpu_hours or 0 for line in stages)
    return Plan(
        run=config.name,
        corpus=corpus,
        card=card,
        gpus=gpus,
        dollars_a_gpu_hour=dollars,
        stages=tuple(stages),
        needs=tuple(needs),
        disk=_disk(config, corpus),
        hours=sum(line.hours or 0 for line in stages),
        gpu_hours=gpu_hours,
        core_hours=sum(line.core_hours or 0 for line in stages),
        efficiency=alone / together if together else None,
        drawing_hours=drawing,
        dollars=None if dollars is None else gpu_hours * dollars,
        unknown=tuple(line.stage for line in stages if line.basis == "unknown"),
    )


def _on_gpus(stage: str, steps: int, batch: int | None, step: Step, gpus: int, dollars: float | None) -> StagePlan:
    hours = None if step.seconds is None else steps * step.seconds / 3600
    gpu_hours = None if hours is None else hours * gpus
    price = None if dollars is None or gpu_hours is None else gpu_hours * dollars
    return StagePlan(stage, steps, batch, step.seconds, hours, gpu_hours, None, price, step.basis, step.how)


def _on_cores(
    stage: str, core_seconds: float, how: str, steps: int | None = None, batch: int | None = None
) -> StagePlan:
    return StagePlan(stage, steps, batch, None, None, None, core_seconds / 3600, None, "scaled", how)


def _preparation(config: Config, corpus: CorpusSize, known: Measurements) -> list[StagePlan]:
    """Plan clips, features and packing, which CPUs compute."""
    cpu = known.processors
    frames = (corpus.train + corpus.test) * corpus.frames
    pose = config.features.pose == "3ddfa" or config.features.landmarks == "3ddfa"
    frame = cpu.clip_and_face + (cpu.pose_3ddfa if pose else 0)
    how = (
        f"{frames:,.0f} frames x {frame * 1000:.0f} ms of a core, measured on videos of 256 px; larger ones take longer"
    )
    lines = [_on_cores("prepare", frames * frame, how)]
    if config.features.speech.encoder == "logmel":
        lines.append(_on_cores("speech", 0.0, "logmel: part of prepare"))
    else:
        sound = frames / FPS
        how = f"{sound / 3600:.1f} h of sound x {cpu.encoder:g} core-seconds a second, HuBERT large; faster on a GPU"
        lines.append(_on_cores("speech", sound * cpu.encoder, how))
    if config.data.store != "none":
        per_pixel = (config.corpus.resolution / known.loading.side) ** 2
        packing = known.loading.stores[config.data.store].packing * per_pixel
        packed = corpus.train * corpus.frames
        how = f"{packed:,.0f} frames x {packing * 1000:.1f} ms of a core, as {config.data.store}"
        lines.append(_on_cores("pack", packed * packing, how))
    return lines


def _judge(config: Config, corpus: CorpusSize, card: Card, dollars: float | None, known: Measurements) -> StagePlan:
    """Plan the training of the lip-sync judge, on one GPU."""
    syncnet = config.evaluate.syncnet
    clips = max(1, syncnet.train.batch // JUDGE_CLIPS)
    steps = total_steps(syncnet.train.model_copy(update={"batch": clips}), corpus.train)
    batch = clips * JUDGE_CLIPS
    gflop = known.counts.gflop_a_sample["syncnet"] * _syncnet_size(config, known) * batch
    step = estimated_step(gflop, known.counts.kernels["syncnet"], card, known)
    return _on_gpus("judge", steps, batch, step, 1, dollars)


def _syncnet_size(config: Config, known: Measurements) -> float:
    """Return the operations of the configuration's SyncNet, relative to the measured one's."""
    syncnet = config.evaluate.syncnet
    return (syncnet.side / known.processors.syncnet_side) ** 2 * syncnet.width**2


def _test_videos(config: Config, corpus: CorpusSize) -> tuple[int, float]:
    """Return the number of test clips that are evaluated, and the frames of each video."""
    clips = min(corpus.test, config.evaluate.max_clips or corpus.test)
    return clips, config.evaluate.inference_frames or corpus.frames


def _videos(config: Config, corpus: CorpusSize, card: Card, dollars: float | None, known: Measurements) -> StagePlan:
    """Plan the generation of the test videos of DAWN and of its controls that have networks, one after the other."""
    clips, frames = _test_videos(config, corpus)
    count = clips * sum(methods()[name].strategy is not None for name in generated_methods(on_demand=False))
    measured = known.generation
    ratio = slowdown(card_of(measured.device), card)
    last = stages_of(config)[-1]
    if ratio is None or network_of(config, last) != PUBLISHED:
        return _on_gpus(
            "videos", count, None, Step(None, 0.0, "unknown", "networks or card were not measured"), 1, dollars
        )
    precision: Products = "bfloat16" if config.generate.precision == "auto" else config.generate.precision
    passes = next(entry for entry in measured.passes if entry.precision == precision)
    (short, long), (first, second) = passes.frames, passes.seconds
    one_pass = first + (second - first) * (frames - short) / (long - short)
    number = config.generate.steps * len(guidance_passes(config.generate))
    pixels = (config.corpus.resolution / measured.side) ** 2
    seconds = measured.pose_blink + ratio * pixels * (number * max(one_pass, 0.0) + frames * measured.decoding)
    how = (
        f"{count} videos of {frames:.0f} frames: {number} passes of {one_pass * 1000:.0f} ms in {precision} (line "
        f"through {short} and {long:,} frames), {measured.decoding * 1000:.1f} ms a decoded frame on {measured.device} "
        f"at {measured.side} px{factors(pixels=pixels, bandwidth=ratio)}; loading, source and video files are extra"
    )
    return _on_gpus("videos", count, None, Step(seconds, 0.0, "scaled", how), 1, dollars)


def _scores(config: Config, corpus: CorpusSize) -> StagePlan:
    """Plan the scores of the methods of Table 1, without baselines, which CPUs compute."""
    known = measurements()
    clips, frames = _test_videos(config, corpus)
    cpu = known.processors
    frame = cpu.scores + cpu.scores_syncnet * _syncnet_size(config, known)
    count = len(SCORED_METHODS) * clips * frames
    how = (
        f"{len(SCORED_METHODS)} methods, {count:,.0f} frames x {frame:.2f} core-seconds, measured on the demo's videos"
    )
    return _on_cores("scores", count * frame, how)


def _disk(config: Config, corpus: CorpusSize) -> tuple[DiskSpace, ...]:
    """Compute the disk space of a corpus: an upper estimate, by which preparation checks the disk."""
    frames = round(corpus.train * corpus.frames)
    clips, every = corpus.train + corpus.test, round((corpus.train + corpus.test) * corpus.frames)
    rows = [
        DiskSpace("clips", bytes_needed(config, every, clips, "clips") / 1e9, "at most, all clips"),
        DiskSpace("features", bytes_needed(config, every, clips, "features") / 1e9, "all clips"),
    ]
    if config.data.store != "none":
        packed = bytes_needed(config, frames, corpus.train, "store") / 1e9
        rows.append(DiskSpace("store", packed, f"at most, training clips as {config.data.store}, with features"))
    return tuple(rows)
