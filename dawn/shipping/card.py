"""What the card of pre-trained networks states about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dawn.config import Config
from dawn.media.json_files import read_json
from dawn.paths import Paths
from dawn.stages import start_of
from dawn.training.log_hours import log_hours


def root_of(run: Path) -> Path:
    """Return the folder of ``results`` and ``data``, in which the workflow trained the run."""
    return run.absolute().parent.parent


def describe(run: Path, config: Config, stages: tuple[str, ...], place: str) -> dict[str, Any]:
    """Describe a run: how to train it again, from which data, hours of training, measured quality."""
    root = root_of(run)
    dataset = Paths.of(config, root / "data").dataset.with_suffix(".json")
    goals = " ".join(f"results/{config.name}/{stage}/weights.safetensors" for stage in stages)
    hours = {stage: log_hours(run / stage / "log.jsonl") for stage in stages}
    return {
        "resolution": config.corpus.resolution,
        "command": f"snakemake --cores all --configfile {place} -- {goals}",
        "seed": config.seed,
        "corpus": {"name": config.corpus.name, "seed": config.corpus.seed, **read_json(dataset)},
        "starts": {stage: start for stage in stages if (start := start_of(config, stage))},
        "hours": {stage: value for stage, value in hours.items() if value is not None},
        "unseen_people": _quality(run),
    }


def _quality(run: Path) -> dict[str, Any]:
    """Read what was measured on people of the test split: quality.json, else the reconstruction, else nothing."""
    if (run / "quality.json").is_file():
        quality = read_json(run / "quality.json")
        kept = ("value", "interval", "baseline", "baseline_interval", "baseline_is", "required", "passed")
        measured = {
            name: {key: entry[key] for key in kept if key in entry}
            for name, entry in quality.items()
            if isinstance(entry, dict)
        }
        return {"clips": quality["clips"], **measured}
    if (run / "reconstruction.json").is_file():
        clips = read_json(run / "reconstruction.json")["clips"]
        value, baseline = (float(np.mean([clip[key] for clip in clips])) for key in ("lfg", "copy"))
        return {"clips": len(clips), "lfg_psnr_db": {"value": value, "baseline": baseline}}
    return {}
