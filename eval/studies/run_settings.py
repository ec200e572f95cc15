"""Settings that the scores of a run depend on. Imports no heavy library, as tables and the workflow import it."""

from __future__ import annotations

from dawn.config import Config
from dawn.fingerprint import fingerprint

TRUE = "gt"  # the method of the real videos themselves
_NOT_MEASURING = ("threads", "metrics", "paper_dataset")  # of the section `evaluate`: they change no score


def settings_fingerprint(config: Config) -> str:
    """Compute the fingerprint of every setting that changes a score; speed, and the choice of columns, do not."""
    tree = config.model_dump(mode="json")
    for key in _NOT_MEASURING:
        tree["evaluate"].pop(key)
    tree["corpus"].pop("shards")
    return fingerprint({key: tree[key] for key in ("corpus", "features", "evaluate")})
