"""Table of the scores of a sweep's runs (:mod:`dawn.variants`), one run per row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dawn.baselines.methods import label_of
from dawn.media.csv_files import write_rows
from dawn.media.json_files import write_json
from dawn.variants import Row, RunSet
from eval.metrics.registry import computed
from eval.report.tables import NUMBERS, TableCell, cells_of, csv_value, notes, write_table
from eval.studies.consistency import ScoreFile, read_consistent


def write_sweep(runs: RunSet, rows: Sequence[Row], out: Path) -> list[TableCell]:
    """Write ``<out>.csv``, ``.md``, ``.tex`` and ``.json``.

    The CSV file has one row per run and metric, with the run's values of all keys of the sweep. Raises InputError for
    missing scores and for scores that cannot be compared.
    """
    files = [ScoreFile(runs.configs[row.run], row.method) for row in rows]
    cells = [
        cell
        for row, file, scores in zip(rows, files, read_consistent(files), strict=True)
        for cell in cells_of(scores, row.name, [metric.column for metric in computed(file.config.evaluate.metrics)])
    ]
    methods = ", ".join(dict.fromkeys(label_of(row.method) for row in rows))
    write_table(cells, [f"Measured: {methods}.", *notes(runs.base, cells)], out)
    _write_csv(rows, cells, out.with_suffix(".csv"))
    nested: dict[str, Any] = {}
    for row in rows:
        metrics = {cell.metric: cell.value for cell in cells if cell.method == row.name}
        nested[row.name] = {"run": row.run, "method": row.method, "changes": dict(row.changes), "metrics": metrics}
    write_json(out.with_suffix(".json"), nested)
    return cells


def _write_csv(rows: Sequence[Row], cells: Sequence[TableCell], path: Path) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row.changes))
    lines: list[list[object]] = []
    for row in rows:
        values = [
            "none" if key in row.changes and row.changes[key] is None else row.changes.get(key, "") for key in keys
        ]
        for cell in (cell for cell in cells if cell.method == row.name):
            numbers = [csv_value(getattr(cell, number)) for number in NUMBERS]
            lines.append([row.name, row.run, row.method, *values, cell.metric, *numbers])
    write_rows(path, ["name", "run", "method", *keys, "metric", *NUMBERS], lines)
