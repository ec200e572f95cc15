"""What each training stage depends on: settings, code and earlier stages. No heavy imports: the workflow reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawn.config import A2vStage, Config, Schedule
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.paths import TTR

_A2V = {"both": ("a2v_stage1", "a2v_stage2"), "stage1": ("a2v_stage1",), "stage2": ("a2v_stage2",)}

# The module that trains each stage. Beside it, a stage depends on the code of the training loop.
_TASKS = {
    "lfg": "dawn.training.lfg",
    "pbnet": "dawn.training.pbnet",
    "a2v_stage1": "dawn.training.a2v",
    "a2v_stage2": "dawn.training.a2v",
    **dict.fromkeys(TTR, "dawn.training.ttr"),
}

# How a batch is divided changes rounding only: a run goes on with another division.
_DIVISION = {"train": {"processes", "accumulate"}}
_RESOURCES: Any = {"lfg": _DIVISION, "pbnet": _DIVISION}


def stages_of(config: Config) -> tuple[str, ...]:
    """The stages that DAWN's own networks need, in order; those of other strategies (``TTR``) come after."""
    return ("lfg", *(("pbnet",) if config.a2v.pose_blink else ()), *_A2V[config.a2v.curriculum])


def networks_of(config: Config, method: str = "dawn") -> tuple[str, ...]:
    """The stages whose networks generate; DAWN's own A2V is that of the last which is none of ``TTR``."""
    *_, last = stages_of(config)
    own = (*(stage for stage in stages_of(config) if not stage.startswith("a2v")), last)
    return (*own, *TTR) if method == "ttr" else own


def needs_of(config: Config, stage: str) -> tuple[str, ...]:
    """Stages whose weights a stage starts from or holds frozen."""
    if stage in ("lfg", "pbnet"):
        return ()
    if stage in TTR:
        return ("lfg", stages_of(config)[-1])
    return ("lfg", "a2v_stage1") if (stage, config.a2v.curriculum) == ("a2v_stage2", "both") else ("lfg",)


def starts_of(config: Config, stage: str) -> tuple[Path, ...]:
    """Weights of other configurations' runs that a stage starts from."""
    first = _A2V[config.a2v.curriculum][0]
    start = {"lfg": config.lfg.start, "pbnet": config.pbnet.start, first: config.a2v.start}.get(stage)
    return () if start is None else (Path(start),)


def clips_of(config: Config, stage: str) -> A2vStage:
    """How a stage of A2V draws clips and weighs its loss."""
    if stage in TTR:
        return config.a2v.ttr.train or clips_of(config, stages_of(config)[-1])
    return config.a2v.stage1 if stage == "a2v_stage1" else config.a2v.stage2


def schedule_of(config: Config, stage: str) -> Schedule:
    """The schedule of a stage; one A2V stage alone sees as many frames as both together (paper 4.5)."""
    if stage in ("lfg", "pbnet"):
        return config.lfg.train if stage == "lfg" else config.pbnet.train
    if stage in TTR:
        return config.a2v.ttr.train or schedule_of(config, stages_of(config)[-1])
    own, other = config.a2v.stage1, config.a2v.stage2
    if stage == "a2v_stage2":
        own, other = other, own
    if config.a2v.curriculum == "both":
        return own
    share = (other.frames_min + other.frames_max) / (own.frames_min + own.frames_max)
    if own.steps is not None and other.steps is not None:
        return own.model_copy(update={"steps": own.steps + round(other.steps * other.batch * share / own.batch)})
    assert own.epochs is not None and other.epochs is not None
    return own.model_copy(update={"epochs": own.epochs + round(other.epochs * other.repeats * share / own.repeats)})


def owners_of(configs: Mapping[str, Config]) -> dict[tuple[str, str], str]:
    """(run, stage) -> the first run whose stage gives the same networks: it trains them, the others take them over.

    Runs whose corpus has the same name share clips and features.
    """
    first: dict[str, str] = {}
    owners: dict[tuple[str, str], str] = {}
    for run, config in configs.items():
        for stage in (*stages_of(config), *TTR):
            needs = {need: owners[run, need] for need in needs_of(config, stage)}
            cause = {"stage": stage, "settings": settings_of(config, stage), "corpus": config.corpus.name}
            owners[run, stage] = first.setdefault(fingerprint(cause | {"needs": needs}), run)
    return owners


def code_of(stage: str) -> str:
    """Fingerprint of the code that a stage's weights depend on."""
    return code_fingerprint("dawn.training.loop", _TASKS[stage])


def cores_of(schedule: Schedule) -> int:
    """CPU cores that a stage keeps busy."""
    return schedule.threads * schedule.processes


def settings_of(config: Config, stage: str) -> dict[str, Any]:
    """The keys that a stage's result depends on, and no others."""
    tree = config.model_dump(mode="json", exclude=_RESOURCES)
    common = {"seed": tree["seed"], "resolution": tree["corpus"]["resolution"], "speech": tree["features"]["speech"]}
    starts = {"starts": [str(path) for path in starts_of(config, stage)]} if starts_of(config, stage) else {}
    if stage in ("lfg", "pbnet"):
        return common | starts | {stage: {key: value for key, value in tree[stage].items() if key != "start"}}
    own = {"stage1", "stage2", "ttr", "curriculum", "start"} | ({"pose_blink"} if config.a2v.pose_blink else set())
    a2v = {key: value for key, value in tree["a2v"].items() if key not in own}
    schedule = schedule_of(config, stage).model_dump(mode="json", exclude=_DIVISION["train"])
    spacing = {"spacing": tree["a2v"]["ttr"]["spacing"]} if stage in TTR else {}
    return common | starts | {"a2v": a2v, "lfg": tree["lfg"]["model"], "stage": schedule} | spacing
