"""A corpus of a few drawn people's speech, without videos, and small speech encoders trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawn.config import Config, parse
from dawn.corpora.manifest import write_manifest
from dawn.corpora.registry import kind_of
from dawn.paths import Paths

DIM = 16
MODEL = {"dim": DIM, "layers": 1, "heads": 2, "feed_forward": 16, "channels": 8}
TRAIN = {"steps": 12, "batch": 3, "lr": 3e-3, "warmup": 2, "checkpoint_every": 4, "log_every": 2, "threads": 1}


def configuration(**train: Any) -> Config:
    """The configuration of the run "spoken": two people in training, one in the test split, 1.2 s a clip."""
    people = {"train_identities": 2, "test_identities": 1, "train_utterances": 2, "test_utterances": 1, "seconds": 1.2}
    corpus = {"name": "spoken", "kind": "demo", "demo": people}
    speech = {"model": MODEL, "segment": 1.0, "train": TRAIN | train}
    return parse({"name": "spoken", "corpus": corpus, "speech": speech})


def write_corpus(root: Path, config: Config) -> Paths:
    """Write ground truths and manifest below `root`; returns the paths of the run."""
    paths = Paths.of(config, root / "data", root / "results")
    demo = kind_of(config.corpus)
    demo.acquire(config.corpus, paths.corpus)
    write_manifest(paths.manifest, demo.clips(config.corpus, paths.corpus, lambda videos: []).clips)
    return paths
