"""Modules and fingerprints of the code that each stage's weights depend on.

The workflow imports this module: no heavy imports.
"""

from __future__ import annotations

from dawn.fingerprint import code_fingerprint
from dawn.stages import TTR_STAGES

# The module of each stage's networks and losses; the training loop and the clips belong to all stages.
_TASKS = {
    "lfg": "dawn.training.lfg",
    "pbnet": "dawn.training.pbnet",
    "a2v_stage1": "dawn.training.a2v",
    "a2v_stage2": "dawn.training.a2v",
    **dict.fromkeys(TTR_STAGES, "dawn.training.ttr"),
}


def code_modules(stage: str) -> tuple[str, ...]:
    """Return the modules whose closure the weights of a stage depend on."""
    return ("dawn.training.loop", "dawn.features.clips", "dawn.features.pack", _TASKS[stage])


def code_of(stage: str) -> str:
    """Compute the fingerprint of the code that a stage's weights depend on."""
    return code_fingerprint(*code_modules(stage))
