"""Settings that the scores of a run depend on. Imports no heavy library, as tables and the workflow import it."""

from __future__ import annotations

from dawn.config import Config
from dawn.fingerprint import fingerprint

TRUE = "gt"  # the method of the real videos themselves
# Keys of the section `evaluate` that change no score, but for rounding on another device.
NOT_MEASURING = ("threads", "device", "shards", "metrics", "paper_dataset")


def settings_fingerprint(config: Config) -> str:
    """Compute the fingerprint of every setting that changes a score; speed, and the choice of columns, do not.

    Scores state the hash of the SyncNet's weights, so that the seed of its training does not count here.
    """
    tree = config.model_dump(mode="json")
    for key in NOT_MEASURING:
        tree["evaluate"].pop(key)
    tree["evaluate"]["syncnet"].pop("seed", None)
    tree["corpus"].pop("shards")
    return fingerprint({key: tree[key] for key in ("corpus", "features", "evaluate")})
