"""What each training stage depends on: settings, code and earlier stages. No heavy imports: the workflow reads it."""

from __future__ import annotations

from typing import Any

from dawn.config import Config, Schedule

# Stages whose weights a stage starts from or holds frozen.
NEEDS: dict[str, tuple[str, ...]] = {
    "lfg": (),
    "pbnet": (),
    "a2v_stage1": ("lfg",),
    "a2v_stage2": ("lfg", "a2v_stage1"),
}

_SHARED_CODE = (
    "dawn/training/loop.py",
    "dawn/training/share.py",
    "dawn/training/data.py",
    "dawn/training/checkpoint.py",
    "dawn/features/store.py",
)
LFG_CODE = tuple(f"dawn/models/{name}.py" for name in ("lfg", "generator", "flow", "regions", "hourglass", "sampling"))
CODE: dict[str, tuple[str, ...]] = {
    "lfg": (*_SHARED_CODE, "dawn/training/lfg.py", "dawn/training/lfg_losses.py", *LFG_CODE),
    "pbnet": (
        *_SHARED_CODE,
        "dawn/training/pbnet.py",
        "dawn/models/pbnet.py",
        "dawn/models/discriminator.py",
        "dawn/models/attention.py",
    ),
    "a2v_stage1": (
        *_SHARED_CODE,
        "dawn/training/a2v.py",
        "dawn/models/unet3d.py",
        "dawn/models/attention.py",
        "dawn/models/diffusion.py",
        "dawn/models/facemask.py",
        "dawn/models/conditioning.py",
        "dawn/models/runs.py",
        *LFG_CODE,
    ),
}
CODE["a2v_stage2"] = CODE["a2v_stage1"]


# How a batch is divided changes rounding only: a run goes on with another division.
_DIVISION = {"train": {"processes", "accumulate"}}
_RESOURCES: Any = {
    "lfg": _DIVISION,
    "pbnet": _DIVISION,
    "a2v": {"stage1": _DIVISION["train"], "stage2": _DIVISION["train"]},
}


def schedule_of(config: Config, stage: str) -> Schedule:
    """The schedule of a stage."""
    schedules: dict[str, Schedule] = {
        "lfg": config.lfg.train,
        "pbnet": config.pbnet.train,
        "a2v_stage1": config.a2v.stage1,
        "a2v_stage2": config.a2v.stage2,
    }
    return schedules[stage]


def cores_of(schedule: Schedule) -> int:
    """CPU cores that a stage keeps busy."""
    return schedule.threads * schedule.processes


def settings_of(config: Config, stage: str) -> dict[str, Any]:
    """The keys that a stage's result depends on, and no others."""
    tree = config.model_dump(mode="json", exclude=_RESOURCES)
    common = {"seed": tree["seed"], "resolution": tree["corpus"]["resolution"], "speech": tree["features"]["speech"]}
    if stage in ("lfg", "pbnet"):
        return common | {stage: tree[stage]}
    a2v = {key: value for key, value in tree["a2v"].items() if key not in ("stage1", "stage2")}
    return common | {"a2v": a2v, "lfg": tree["lfg"]["model"], "stage": tree["a2v"][stage.removeprefix("a2v_")]}
