"""Do measurements belong together, and to the runs that they are said to be of? A table never mixes causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawn.config import Config
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.methods import videos_folder
from dawn.paths import Paths
from dawn.variants import RunSet
from eval.studies.run_settings import TRUE, settings_digest

_ALL = ("code", "parameters", "seed")  # the same in every row of any table
_SAME_JUDGES = (*_ALL, "weights")
_SAME_SETTINGS = (*_SAME_JUDGES, "clips", "real")


@dataclass(frozen=True)
class Measured:
    """One method of one run, as a row of a table takes it."""

    config: Config
    method: str

    @property
    def paths(self) -> Paths:
        """Where the run lies."""
        return Paths.of(self.config)


def read_together(rows: Sequence[Measured]) -> list[dict[str, Any]]:
    """The ``scores.json`` of each row. Raises InputError naming the first artefact that is foreign: scores of another
    method, settings, or videos; videos of other networks or sampling; rows that were not measured alike."""
    every = [_read(row) for row in rows]
    for index, (row, scores) in enumerate(zip(rows, every, strict=True)):
        for other, theirs in zip(rows[:index], every[:index], strict=True):
            alike = _settings(other.config) == _settings(row.config)
            keys = _SAME_SETTINGS if alike else _SAME_JUDGES if _judge(other.config) == _judge(row.config) else _ALL
            differs = next((key for key in keys if scores["provenance"][key] != theirs["provenance"][key]), None)
            if differs is not None:
                here, there = (each.paths.scores(each.method) / "scores.json" for each in (row, other))
                raise InputError(f"{here}: its {differs} differ from those of {there}; measure both again")
    return every


def judge_of(runs: RunSet, config: Config) -> Path:
    """The lip-sync judge of a run: that of the first run that would have the same."""
    first = next(one for one in runs.configs.values() if _judge(one) == _judge(config))
    return Paths.of(first).run / "syncnet.safetensors"


def _settings(config: Config) -> tuple[str, str]:
    return settings_digest(config), _judge(config)


def _judge(config: Config) -> str:
    """What the lip-sync judge depends on: its settings, and the clips that it learned from."""
    return fingerprint([config.corpus.name, config.evaluate.syncnet.model_dump(mode="json"), config.seed])


def _read(row: Measured) -> dict[str, Any]:
    path = row.paths.scores(row.method) / "scores.json"
    scores: dict[str, Any] = read_json(path)
    if scores.get("method") != row.method:
        raise InputError(f"{path}: scores of {scores.get('method')!r}, given as {row.method!r}")
    causes = scores["provenance"]
    if causes["settings"] != settings_digest(row.config):
        raise InputError(f"{path}: measured with settings that differ from run {row.config.name}'s; measure again")
    if row.method != TRUE:
        report = row.paths.videos_report(row.method)
        if causes["measured"] != read_json(report)["digest"]:
            raise InputError(f"{path}: measured on other videos than those of {report}; measure again")
        _check_videos(row, list(read_json(report)["files"]))
    return scores


def _check_videos(row: Measured, names: Sequence[str]) -> None:
    """Videos that say what made them were made by this run's networks, sampled as this run samples."""
    hashes: dict[str, str] = {}
    for name in names:
        path = videos_folder(row.paths, row.method) / f"{name}.json"
        if not path.is_file():  # a held picture, or another system's
            continue
        sidecar = read_json(path)
        for stage, sha256 in sidecar["weights"].items():
            weights = row.paths.weights(stage)
            if stage not in hashes:
                hashes[stage] = sha256_file(weights) if weights.is_file() else ""
            if sha256 != hashes[stage]:
                raise InputError(f"{path}: its video was made by other networks than {weights}; generate again")
        for key in ("steps", "eta", "guidance", "window", "pbnet_window"):
            if key in sidecar and sidecar[key] != getattr(row.config.generate, key):
                raise InputError(
                    f"{path}: its video was made with generate.{key} = {sidecar[key]}, run {row.config.name} has "
                    f"{getattr(row.config.generate, key)}; generate again"
                )
