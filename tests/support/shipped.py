"""Runs as the workflow leaves them, with untrained networks, and the pre-trained networks written from them."""

from __future__ import annotations

from pathlib import Path

import yaml

from dawn.config import Config, load, parse
from dawn.media.files import sha256_file
from dawn.media.json_files import write_json
from dawn.paths import Paths
from dawn.pretrained import CARD, LIMIT
from dawn.shipping.ship import TERMS, ship
from dawn.training.speech_encoder import train_speech_encoder
from tests.support.networks import write_run
from tests.support.repository import REPOSITORY
from tests.support.spoken import DIM, configuration, write_corpus

DIGEST = "of the corpus"


def small(name: str = "smoke") -> Config:
    """The smoke configuration under this name, on one thread."""
    tree = load(REPOSITORY / "config/smoke.yaml").model_dump(mode="json")
    tree["name"] = tree["corpus"]["name"] = name
    tree["generate"]["threads"] = 1
    return parse(tree)


def write_finished_run(root: Path, config: Config) -> Path:
    """Write the run ``results/<name>`` below `root`, with the summary of its corpus; returns its folder."""
    paths = Paths.of(config, root / "data", root / "results")
    summary = paths.dataset.with_suffix(".json")
    write_json(summary, {"clips": 3, "digest": DIGEST, "frames": 120, "rejected": 0})
    return write_run(paths.run, config)


def write_shipped(root: Path, out: Path) -> Path:
    """Write pre-trained networks, a speech encoder among them, to the folder `out`; returns `out`.

    The runs that they are of lie below `root`.
    """
    encoder = train_speech_encoder(configuration(), write_corpus(root, configuration()))
    tree = small().model_dump(mode="json")
    tree["features"]["speech"] |= {"encoder": str(encoder), "dim": DIM}
    run, other = write_finished_run(root, parse(tree)), write_finished_run(root, small("smaller"))
    ship(run, out, other)
    return out


def assert_shipped(folder: Path) -> None:
    """Whether the pre-trained networks in `folder` are complete, unchanged and small."""
    card = yaml.safe_load((folder / CARD).read_text(encoding="utf-8"))
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*.safetensors")}
    assert set(found) == set(card["files"]) and len(found) >= 4
    for name, entry in card["files"].items():
        assert (entry["sha256"], entry["bytes"]) == (sha256_file(found[name]), found[name].stat().st_size), name
        assert entry["run"] in card["runs"]
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= LIMIT <= 20_000_000
    assert card["terms"] == TERMS and "commit" in card
    assert all(run["corpus"]["digest"] and run["command"] and "hours" in run for run in card["runs"].values())
