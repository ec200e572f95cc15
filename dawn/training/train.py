"""Training of a stage by its name, from the weights and data that it needs."""

from __future__ import annotations

import functools
from pathlib import Path

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.encoders import check_encoder
from dawn.features.versions import check_extractor
from dawn.fingerprint import fingerprint
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.models.weights_io import load_weights, save_weights, weights_metadata
from dawn.paths import Paths
from dawn.schedules import total_steps
from dawn.stages import SPEECH, TTR_STAGES, clips_of, needs_of, schedule_of, settings_of, stages_of, starts_of
from dawn.training.a2v import A2vTask
from dawn.training.clip_views import Clips
from dawn.training.distributed import launch
from dawn.training.lfg import LfgTask
from dawn.training.loop import initialise, train
from dawn.training.pbnet import PbnetTask
from dawn.training.plan import code_of
from dawn.training.task import Task
from dawn.training.training_clips import training_clips, validation_clips
from dawn.training.ttr import DenseTask, SparseTask


def train_stage(config: Config, paths: Paths, stage: str) -> Path:
    """Train one stage on the corpus' training split and return its weights file; resumes a killed run.

    Of the stage ``speech``, which needs no features, the result is the encoder's folder.

    With the key ``validation``, weights are validated on the clips of ``data.validation_fraction``.

    Raises InputError when the run has no such stage, or when weights that it needs are absent.
    """
    if stage == SPEECH:
        from dawn.training.speech_encoder import train_speech_encoder  # with transformers, which takes seconds

        return train_speech_encoder(config, paths)
    stages = (*stages_of(config), *TTR_STAGES)
    if stage not in stages:
        raise InputError(f"no stage {stage!r} in this run; its stages are {', '.join(stages)}")
    schedule = schedule_of(config, stage)
    clips = training_clips(config, paths)
    total = total_steps(schedule, len(clips))
    starts = starts_of(config, stage)
    for path in starts:
        metadata = weights_metadata(_existing(path))
        if stage != "lfg":  # which receives no pose
            check_extractor(path, metadata, clips.extractor)
            check_encoder(path, metadata, config.features.speech, clips.encoder)
    stage_fingerprint = fingerprint(
        {
            "settings": settings_of(config, stage),
            "code": code_of(stage),
            "data": read_json(paths.dataset.with_suffix(".json"))["digest"],
            "needs": {need: sha256_file(_existing(paths.weights(need))) for need in needs_of(config, stage)},
            **({"starts": [sha256_file(path) for path in starts]} if starts else {}),
        }
    )
    build = functools.partial(_build_task, config, paths, stage, clips, total)
    task = initialise(build, stage=stage, schedule=schedule, seed=config.seed)
    for path in starts:
        # Discriminators, which the later groups are of, begin anew where the file holds none.
        load_weights(path, task.networks, optional=set(task.networks) - set(task.groups[0]))
    validation_task = None
    if schedule.validation is not None:
        validation_task = _build_task(config, paths, stage, validation_clips(config, paths), total)
    most = max(1, schedule.batch // (schedule.accumulate or 1))
    with launch(schedule.processes, most) as distributed:
        weights = train(
            task,
            distributed,
            stage=stage,
            schedule=schedule,
            total=total,
            out=paths.weights(stage).parent,
            seed=config.seed,
            fingerprint=stage_fingerprint,
            config=config.dump(),
            workers=config.data.workers,
            validation_task=validation_task,
        )
        if distributed.is_main_process:
            metadata = {"stage": stage, "steps": str(total), "fingerprint": stage_fingerprint}
            metadata |= {"extractor": clips.extractor, "encoder": clips.encoder}
            save_weights(paths.weights(stage), weights, metadata | {"config": config.dump()})
    return paths.weights(stage)


def _build_task(config: Config, paths: Paths, stage: str, clips: Clips, total: int) -> Task:
    """Build the task of a stage, with the weights of its earlier stages."""
    if stage == "lfg":
        return LfgTask(config, clips, total)
    if stage == "pbnet":
        return PbnetTask(config, clips, total)
    task_class = {"ttr_sparse": SparseTask, "ttr_dense": DenseTask}.get(stage, A2vTask)
    needs = {need: paths.weights(need) for need in needs_of(config, stage)}
    return task_class.load(config, clips_of(config, stage), clips, needs)


def _existing(path: Path) -> Path:
    """Return `path`. Raises InputError when it is no file."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights; train their stage first")
    return path
