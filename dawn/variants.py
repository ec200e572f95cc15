"""Runs that differ from one configuration in a few keys: the rows of sweeps and of the paper's comparisons.

A sweep is a CSV file, a run a row. Its columns are dotted configuration keys, and two that are optional: ``name``, the
row's name, and ``method``, what is measured of the run (see ``dawn/methods.py``). An empty cell changes nothing.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from dawn.config import METRICS, Config, ConfigError, parse
from dawn.methods import generated_methods

_OWN = ("name", "method")  # columns that are no keys
_SCHEDULES = ("lfg.train", "pbnet.train", "a2v.stage1", "a2v.stage2", "a2v.ttr.train")


@dataclass(frozen=True)
class Row:
    """One row of a comparison: `changes` against the configuration, measured on `method` of run `run`."""

    name: str
    run: str
    method: str
    changes: Mapping[str, Any]
    paper: tuple[str, str] | None = None  # method and condition of the paper's row that it stands beside
    metrics: tuple[str, ...] = METRICS  # what is asked of it


class Runs:
    """The run of a configuration and those that differ from it, by name. Equal runs are one."""

    def __init__(self, base: Config) -> None:
        self.base = base
        self._origin = _side_by_side(base)
        self.configs: dict[str, Config] = {base.name: base}

    def add(self, name: str, changes: Mapping[str, Any], origin: str) -> str:
        """The name of the run with `changes` (dotted key -> value), `name` unless there is an equal one.

        Raises ConfigError, beginning with `origin`, for a key or value that cannot be, and for a name that is taken.
        """
        tree = self._origin.model_dump(mode="json")
        for key, value in changes.items():
            _set(tree, key, value, origin)
        config = self._with_own_corpus(parse(tree | {"name": name}, origin))
        for known, other in self.configs.items():
            if (self._origin if other is self.base else other).model_copy(update={"name": name}) == config:
                return known
        if name in self.configs:
            raise ConfigError(
                f"{origin}: there is another run {name!r} with other settings; give this one another name"
            )
        self.configs[name] = config
        return name

    def _with_own_corpus(self, config: Config) -> Config:
        """Clips and features made in another way lie in another folder: that of the first run that makes them so."""
        for other in self.configs.values():
            corpus = config.corpus.model_copy(update={"name": other.corpus.name})
            if (corpus, config.features) == (other.corpus, other.features):
                return config.model_copy(update={"corpus": corpus})
        return config.model_copy(update={"corpus": config.corpus.model_copy(update={"name": config.name})})


def sweep_rows(runs: Runs, path: Path) -> list[Row]:
    """Read a sweep and add its runs. Raises ConfigError naming file, row (from 1) and key."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            table = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as CSV ({error.__class__.__name__})") from None
    if not table:
        raise ConfigError(f"{path}: holds no rows")
    rows: list[Row] = []
    for index, cells in enumerate(table, 1):
        origin = f"{path}, row {index}"
        if None in cells or None in cells.values():
            raise ConfigError(f"{origin}: has not as many cells as the first line has columns")
        filled = {key.strip(): cell.strip() for key, cell in cells.items() if cell.strip()}
        changes = {key: _value(key, cell) for key, cell in filled.items() if key not in _OWN}
        name = filled.get("name") or ", ".join(cell for key, cell in filled.items() if key not in _OWN) or "base"
        if name in (row.name for row in rows):
            raise ConfigError(f"{origin}: name: {name!r} is the name of an earlier row")
        method = filled.get("method", "dawn")
        if method not in generated_methods():
            known = ", ".join(generated_methods())
            raise ConfigError(f"{origin}: method: no method {method!r}; methods are {known}")
        run = runs.add(f"{runs.base.name}-{path.stem}-{_folder(name)}", changes, origin)
        rows.append(Row(name, run, method, changes))
    return rows


def _side_by_side(base: Config) -> Config:
    """What the other runs differ from: `base`, whose stages have as many processes as suits many trainings at once."""
    tree = base.model_dump(mode="json")
    if base.compare.processes is not None:
        for key in _SCHEDULES:
            if _get(tree, key) is not None:  # there may be no schedule of ttr's own
                _set(tree, f"{key}.processes", base.compare.processes, f"configuration {base.name}, compare.processes")
    return parse(tree, f"configuration {base.name}, compare.processes")


def _get(tree: dict[str, Any], key: str) -> Any:
    return functools.reduce(lambda node, part: node[part], key.split("."), tree)


def _set(tree: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *sections, last = key.split(".")
    node: Any = tree
    for section in sections:
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{origin}: {key}: {section} is a value, no section")
    node[last] = value


def _value(key: str, cell: str) -> Any:
    """A cell as YAML reads it; ``none`` is nothing where the key may be nothing."""
    try:
        value = yaml.safe_load(cell)
    except yaml.YAMLError:
        return cell
    return None if value == "none" and type(None) in _choices(key) else value


def _choices(key: str) -> tuple[Any, ...]:
    """The types that a key's value may have; none for a key that there is not."""
    node: Any = Config
    for part in key.split("."):
        field = getattr(node, "model_fields", {}).get(part)
        node = field.annotation if field is not None else None
    return get_args(node)


def _folder(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "row"
