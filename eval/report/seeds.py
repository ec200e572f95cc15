"""Table of a run and its repetitions (:mod:`dawn.comparisons`): each level and score in every run, mean and range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from dawn.comparisons import Experiments
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json
from dawn.paths import Paths
from dawn.variants import Row
from eval.metrics.registry import computed
from eval.report.tables import ARROWS, cells_of, csv_value
from eval.studies.consistency import ScoreFile, read_consistent


@dataclass(frozen=True)
class Quantity:
    """One level or score in every run.

    name: key in ``quality.json``, or column key of a metric. title, digits: heading and decimals; digits None: four
    significant digits. values: by run, None where the run lacks the quantity or its value is not finite. required:
    the level; passed: by run, whether it is reached. Both are empty for a score.
    """

    name: str
    title: str
    values: tuple[float | None, ...]
    digits: int | None = None
    required: str = ""
    passed: tuple[bool, ...] = ()

    @property
    def summary(self) -> tuple[float, float, float] | None:
        """Mean, lowest and highest value; None unless every run has one: a mean of some runs would be a selection."""
        values = [value for value in self.values if value is not None]
        if len(values) < len(self.values):
            return None
        return math.fsum(values) / len(values), min(values), max(values)


def write_seeds(experiments: Experiments, out: Path) -> list[Quantity]:
    """Write ``<out>.csv`` and ``.md``: one row per quantity, one column per run.

    Raises InputError for a run without ``quality.json`` or scores of DAWN, and for scores that cannot be compared.
    """
    rows = experiments.repetitions
    files = [ScoreFile(experiments.runs.configs[row.run], row.method) for row in rows]
    quantities = _levels([file.paths for file in files]) + _scores(files, experiments.runs.base.evaluate.metrics)
    _write_csv(rows, quantities, out.with_suffix(".csv"))
    with atomic_path(out.with_suffix(".md")) as aside:
        aside.write_text(_markdown(experiments.runs.base, rows, quantities), encoding="utf-8")
    return quantities


def _levels(runs: Sequence[Paths]) -> list[Quantity]:
    """Gather the levels of ``quality.json``: every entry that states whether it is passed."""
    reports = [_levels_of(paths.run / "quality.json") for paths in runs]
    quantities = []
    for name in dict.fromkeys(name for report in reports for name in report):
        entries = [report.get(name, {}) for report in reports]
        required = dict.fromkeys(_text(entry["required"]) for entry in entries if "required" in entry)
        quantities.append(
            Quantity(
                name,
                name,
                tuple(_finite(entry.get("value")) for entry in entries),
                required=" or ".join(required),  # a level that depends on the run's baseline may differ
                passed=tuple(entry.get("passed") is True for entry in entries),
            )
        )
    return quantities


def _levels_of(path: Path) -> dict[str, Mapping[str, Any]]:
    report = read_json(path)
    if not isinstance(report, Mapping):
        raise InputError(f"{path}: not a report of 'dawn-eval quality'; run the step that writes it again")
    return {name: entry for name, entry in report.items() if isinstance(entry, Mapping) and "passed" in entry}


def _scores(files: Sequence[ScoreFile], metrics: Sequence[str]) -> list[Quantity]:
    """Gather the scores of DAWN in the columns of Table 1."""
    columns = computed(metrics)
    rows = [
        {cell.metric: cell.value for cell in cells_of(scores, file.config.name, [metric.column for metric in columns])}
        for file, scores in zip(files, read_consistent(files), strict=True)
    ]
    return [
        Quantity(
            metric.column,
            f"{metric.title}{ARROWS[metric.better]}",
            tuple(_finite(row.get(metric.column)) for row in rows),
            metric.digits,
        )
        for metric in columns
    ]


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _text(value: Any, digits: int | None = None) -> str:
    if value is None:
        return "-"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.4g}" if digits is None else f"{value:.{digits}f}"


def _write_csv(rows: Sequence[Row], quantities: Sequence[Quantity], path: Path) -> None:
    header = ["quantity", *(row.run for row in rows), "mean", "lowest", "highest", "required", "passed", "runs"]
    lines = [
        [
            quantity.name,
            *(csv_value(value) for value in (*quantity.values, *(quantity.summary or (None,) * 3))),
            quantity.required,
            sum(quantity.passed) if quantity.passed else "",
            len(rows),
        ]
        for quantity in quantities
    ]
    write_rows(path, header, lines)


def _markdown(base: Config, rows: Sequence[Row], quantities: Sequence[Quantity]) -> str:
    header = ["Quantity", *(row.name for row in rows), "Mean", "Lowest", "Highest", "Required", "Passed in"]
    lines = [
        [
            quantity.title,
            *(_text(value, quantity.digits) for value in (*quantity.values, *(quantity.summary or (None,) * 3))),
            quantity.required or "-",
            _share(quantity.passed) if quantity.passed else "-",
        ]
        for quantity in quantities
    ]
    alignment = ["left", *["right"] * (len(rows) + 3), "left", "left"]
    table = tabulate(lines, header, tablefmt="pipe", colalign=alignment, disable_numparse=True)
    return table + "\n\n" + "\n".join(f"- {remark}" for remark in _remarks(base, rows, quantities)) + "\n"


def _remarks(base: Config, rows: Sequence[Row], quantities: Sequence[Quantity]) -> list[str]:
    first, *repetitions = rows
    levels = [quantity.passed for quantity in quantities if quantity.passed]
    every = tuple(all(passed) for passed in zip(*levels, strict=True))
    processes = base.compare.processes
    divided = [f"Processes of a training of a repetition: {processes} (`compare.processes`)."] if processes else []
    return [
        f"{first.name}: run {first.run}.",
        *(
            f"{row.name}: run {row.run}, which differs in {', '.join(f'{key} {v}' for key, v in row.changes.items())}."
            for row in repetitions
        ),
        *divided,
        "All runs have the same corpus, test clips and SyncNet.",
        "Rows with a required level: training success (`dawn-eval quality`). Other rows: DAWN's scores in Table 1.",
        "Mean, lowest and highest are of all these runs; so few give no interval. A row that a run lacks has none.",
        f"Runs in which every level is passed: {_share(every)}.",
    ]


def _share(passed: Sequence[bool]) -> str:
    return f"{sum(passed)} of {len(passed)}"
