"""Graph of training stages and their settings, for the workflow, training and generation. Imports no torch.

============  ======================================================================================================
lfg           latent flow generator (paper 3.2)
pbnet         pose and blink generation network (paper 3.4); absent with ``a2v.pose_blink: false``
a2v_stage1    audio-to-video flow diffusion model, short clips (paper 3.3 and 3.5)
a2v_stage2    the same on long clips; continues from ``a2v_stage1`` with ``a2v.curriculum: both``
ttr_sparse    denoiser of keyframes for the strategy with two temporal resolutions (paper 4.3)
ttr_dense     denoiser of the frames between keyframes, for the same strategy
============  ======================================================================================================

Stage ``speech`` comes before the features: it trains an encoder that ``features.speech.encoder`` can name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawn.config import A2vStage, Config, Schedule
from dawn.fingerprint import fingerprint
from dawn.pretrained import start_file

SPEECH = "speech"
TTR_STAGES = ("ttr_sparse", "ttr_dense")
STAGES = ("lfg", "pbnet", "a2v_stage1", "a2v_stage2", *TTR_STAGES)

_A2V = {"both": ("a2v_stage1", "a2v_stage2"), "stage1": ("a2v_stage1",), "stage2": ("a2v_stage2",)}
# How a batch is divided and its sums are ordered changes rounding only: a run continues with other values.
_DIVISION = {"train": {"processes", "accumulate", "recompute", "compile", "deterministic"}}
_RESOURCES: Any = {"lfg": _DIVISION, "pbnet": _DIVISION}


def stages_of(config: Config) -> tuple[str, ...]:
    """Return the stages of DAWN's networks in training order, without :data:`TTR_STAGES`."""
    return ("lfg", *(("pbnet",) if config.a2v.pose_blink else ()), *_A2V[config.a2v.curriculum])


def networks_of(config: Config) -> tuple[str, ...]:
    """Return the stages whose networks DAWN generates with; the denoiser is that of the last A2V stage.

    :func:`dawn.methods.networks_of_method` adds the stages that another method needs.
    """
    *_, last = stages_of(config)
    return (*(stage for stage in stages_of(config) if not stage.startswith("a2v")), last)


def needs_of(config: Config, stage: str) -> tuple[str, ...]:
    """Return the stages whose weights `stage` starts from or uses frozen."""
    if stage in ("lfg", "pbnet"):
        return ()
    if stage in TTR_STAGES:
        return ("lfg", stages_of(config)[-1])
    return ("lfg", "a2v_stage1") if (stage, config.a2v.curriculum) == ("a2v_stage2", "both") else ("lfg",)


def start_of(config: Config, stage: str) -> str | None:
    """Return the key ``lfg.start`` etc. of `stage`, which names weights of another configuration's run, or None.

    The SyncNet of ``evaluate.syncnet`` has the name "syncnet".
    """
    first = _A2V[config.a2v.curriculum][0]
    own = {"lfg": config.lfg.start, "pbnet": config.pbnet.start, "syncnet": config.evaluate.syncnet.start}
    return (own | {first: config.a2v.start}).get(stage)


def starts_of(config: Config, stage: str) -> tuple[Path, ...]:
    """Return the weights files that :func:`start_of` names.

    Raises InputError for ``pretrained:NAME`` where this package holds no such weights.
    """
    start = start_of(config, stage)
    return () if start is None else (start_file(start),)


def clips_of(config: Config, stage: str) -> A2vStage:
    """Return how an A2V or TTR stage samples clips and weights its losses."""
    if stage in TTR_STAGES:
        return config.a2v.ttr.train or clips_of(config, stages_of(config)[-1])
    return config.a2v.stage1 if stage == "a2v_stage1" else config.a2v.stage2


def schedule_of(config: Config, stage: str) -> Schedule:
    """Return the schedule of a stage.

    A single A2V stage trains on as many frames as both stages together (paper 4.5).
    """
    if stage in ("lfg", "pbnet"):
        return config.lfg.train if stage == "lfg" else config.pbnet.train
    if stage in TTR_STAGES:
        return config.a2v.ttr.train or schedule_of(config, stages_of(config)[-1])
    current, other = config.a2v.stage1, config.a2v.stage2
    if stage == "a2v_stage2":
        current, other = other, current
    if config.a2v.curriculum == "both":
        return current
    length_ratio = (other.frames_min + other.frames_max) / (current.frames_min + current.frames_max)
    if current.steps is not None and other.steps is not None:
        added = round(other.steps * other.batch * length_ratio / current.batch)
        return current.model_copy(update={"steps": current.steps + added})
    assert current.epochs is not None and other.epochs is not None
    added = round(other.epochs * other.repeats * length_ratio / current.repeats)
    return current.model_copy(update={"epochs": current.epochs + added})


def owners_of(configs: Mapping[str, Config]) -> dict[tuple[str, str], str]:
    """Map (run, stage) to the run that trains the stage; other runs with the same stage copy its weights.

    Two stages are the same if their settings, their corpus and the stages they need are; the first run trains it. Runs
    whose corpus has the same name share clips and features.
    """
    first: dict[str, str] = {}
    owners: dict[tuple[str, str], str] = {}
    for run, config in configs.items():
        for stage in (*stages_of(config), *TTR_STAGES):
            needs = {need: owners[run, need] for need in needs_of(config, stage)}
            identity = {"stage": stage, "settings": settings_of(config, stage), "corpus": config.corpus.name}
            owners[run, stage] = first.setdefault(fingerprint(identity | {"needs": needs}), run)
    return owners


def cores_of(config: Config, schedule: Schedule) -> int:
    """Return the number of CPU cores that the processes of a training use, with those that load batches.

    With processes: auto, that of one.
    """
    return (schedule.threads + (config.data.workers or 0)) * gpus_of(schedule)


def gpus_of(schedule: Schedule) -> int:
    """Return the number of GPUs that a stage uses if there are as many; with processes: auto, the least, one."""
    return 1 if schedule.processes == "auto" else schedule.processes


def syncnet_seed_of(config: Config) -> int:
    """Return the seed of the training of the SyncNet for evaluation."""
    seed = config.evaluate.syncnet.seed
    return config.seed if seed is None else seed


def syncnet_settings_of(config: Config) -> dict[str, Any]:
    """Select the configuration values that the weights of the SyncNet that is trained for evaluation depend on."""
    settings = {
        "seed": syncnet_seed_of(config),
        "resolution": config.corpus.resolution,
        "pixels": _pixels(config),
        "syncnet": config.evaluate.syncnet.model_dump(mode="json", exclude=_DIVISION | {"start": True, "seed": True}),
    }
    return settings | _starts(config, "syncnet") | _held_out(config)


def speech_settings_of(config: Config) -> dict[str, Any]:
    """Select the configuration values that the weights of the speech encoder depend on, beside the corpus."""
    return {"seed": config.seed, "speech": config.speech.model_dump(mode="json", exclude=_DIVISION)}


def settings_of(config: Config, stage: str) -> dict[str, Any]:
    """Select the configuration values that a stage's weights depend on."""
    tree = config.model_dump(mode="json", exclude=_RESOURCES)
    common = {"seed": tree["seed"], "resolution": tree["corpus"]["resolution"], "speech": tree["features"]["speech"]}
    common |= {"pixels": _pixels(config)} | _held_out(config)
    starts = _starts(config, stage)
    if stage in ("lfg", "pbnet"):
        return common | starts | {stage: {key: value for key, value in tree[stage].items() if key != "start"}}
    elsewhere = {"stage1", "stage2", "ttr", "curriculum", "start"}  # in the schedule, `starts` and `spacing`
    elsewhere |= {"pose_blink"} if config.a2v.pose_blink else set()
    a2v = {key: value for key, value in tree["a2v"].items() if key not in elsewhere}
    schedule = schedule_of(config, stage).model_dump(mode="json", exclude=_DIVISION["train"])
    spacing = {"spacing": tree["a2v"]["ttr"]["spacing"]} if stage in TTR_STAGES else {}
    return common | starts | {"a2v": a2v, "lfg": tree["lfg"]["model"], "stage": schedule} | spacing


def _starts(config: Config, stage: str) -> dict[str, Any]:
    start = start_of(config, stage)
    return {"starts": [str(Path(start))]} if start is not None else {}  # as written: a package lies anywhere


def _held_out(config: Config) -> dict[str, Any]:
    """Return what decides which clips no training draws; nothing where training draws all."""
    fraction = config.data.validation_fraction
    return {"held_out": [fraction, config.corpus.seed]} if fraction else {}


def _pixels(config: Config) -> str:
    return "jpeg" if config.data.store == "jpeg" else "exact"
