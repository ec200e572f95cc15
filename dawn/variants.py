"""Runs that differ from one configuration in a few keys: the rows of sweeps and of the paper's comparisons.

A sweep is a CSV file with one run per row. Its columns are dotted configuration keys and two optional ones: ``name``,
the name of the row, and ``method``, the evaluated method (:mod:`dawn.methods`). An empty cell keeps the value of the
configuration.
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

from dawn.config import DEFAULT_METRICS, Config, ConfigError, parse
from dawn.methods import generated_methods

_NOT_KEYS = ("name", "method")  # columns that are not configuration keys
_SCHEDULES = ("lfg.train", "pbnet.train", "a2v.stage1", "a2v.stage2", "a2v.ttr.train")  # the last is optional


@dataclass(frozen=True)
class Row:
    """One row of a comparison: the scores of `method` in the run `run`, which differs by `changes`."""

    name: str
    run: str
    method: str
    changes: Mapping[str, Any]
    paper: tuple[str, str] | None = None  # method and condition of the corresponding row of the paper
    metrics: tuple[str, ...] = DEFAULT_METRICS  # the metrics that the comparison shows


class RunSet:
    """Main run of a configuration and runs that differ from it, by name; runs with equal settings are the same run."""

    def __init__(self, base: Config) -> None:
        self.base = base
        self._origin = _concurrent(base)
        self.configs: dict[str, Config] = {base.name: base}

    def add(self, name: str, changes: Mapping[str, Any], origin: str) -> str:
        """Add the run with `changes` (dotted key -> value); returns its name: `name`, or that of an equal run.

        Raises ConfigError, prefixed by `origin`, for an invalid key or value and for a name already in use.
        """
        tree = self._origin.model_dump(mode="json")
        for key, value in changes.items():
            _set(tree, key, value, origin)
        config = self._with_corpus_name(parse(tree | {"name": name}, origin))
        for known, other in self.configs.items():
            if (self._origin if other is self.base else other).model_copy(update={"name": name}) == config:
                return known
        if name in self.configs:
            raise ConfigError(f"{origin}: run {name!r} exists with different settings; use another name")
        self.configs[name] = config
        return name

    def _with_corpus_name(self, config: Config) -> Config:
        """Name the corpus after the first run with equal clips, features and packing, so that both share a folder."""
        for other in self.configs.values():
            corpus = config.corpus.model_copy(update={"name": other.corpus.name})
            if (corpus, config.features, config.data.store) == (other.corpus, other.features, other.data.store):
                return config.model_copy(update={"corpus": corpus})
        return config.model_copy(update={"corpus": config.corpus.model_copy(update={"name": config.name})})


def sweep_rows(runs: RunSet, path: Path) -> list[Row]:
    """Read a sweep and add its runs. Raises ConfigError naming file, row (counted from 1) and key."""
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
            raise ConfigError(f"{origin}: the number of cells differs from the number of columns")
        filled = {key.strip(): cell.strip() for key, cell in cells.items() if cell.strip()}
        changes = {key: _value(key, cell) for key, cell in filled.items() if key not in _NOT_KEYS}
        name = filled.get("name") or ", ".join(cell for key, cell in filled.items() if key not in _NOT_KEYS) or "base"
        if name in (row.name for row in rows):
            raise ConfigError(f"{origin}: name: an earlier row is called {name!r}")
        method = filled.get("method", "dawn")
        if method not in generated_methods():
            known = ", ".join(generated_methods())
            raise ConfigError(f"{origin}: method: unknown method {method!r}; known: {known}")
        run = runs.add(f"{runs.base.name}-{path.stem}-{_folder(name)}", changes, origin)
        rows.append(Row(name, run, method, changes))
    return rows


def schedules_of(config: Config) -> list[str]:
    """Return the dotted keys of the training schedules of DAWN's networks, in training order."""
    tree = config.model_dump(mode="json")
    return [key for key in _SCHEDULES if _get(tree, key) is not None]


def _concurrent(base: Config) -> Config:
    """Derive the configuration of the other runs: `base` with compare.processes for concurrent trainings."""
    tree, origin = base.model_dump(mode="json"), f"configuration {base.name}, compare.processes"
    if base.compare.processes is not None:
        for key in schedules_of(base):
            _set(tree, f"{key}.processes", base.compare.processes, origin)
    return parse(tree, origin)


def _get(tree: dict[str, Any], key: str) -> Any:
    return functools.reduce(lambda node, part: node[part], key.split("."), tree)


def _set(tree: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *sections, last = key.split(".")
    node: Any = tree
    for section in sections:
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{origin}: {key}: {section} is a value, not a section")
    node[last] = value


def _value(key: str, cell: str) -> Any:
    """Parse a cell as YAML; ``none`` is None for a key that may be None."""
    try:
        value = yaml.safe_load(cell)
    except yaml.YAMLError:
        return cell
    return None if value == "none" and type(None) in _choices(key) else value


def _choices(key: str) -> tuple[Any, ...]:
    """Return the types allowed for the value of a key; empty for an unknown key."""
    node: Any = Config
    for part in key.split("."):
        field = getattr(node, "model_fields", {}).get(part)
        node = field.annotation if field is not None else None
    return get_args(node)


def _folder(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "row"
