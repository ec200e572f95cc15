"""A sweep as a table and a plot: one run a row (``dawn.variants``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Picture

from dawn.baselines.methods import label_of
from dawn.media.csv_files import write_rows
from dawn.media.files import atomic_path
from dawn.media.json_files import write_json
from dawn.variants import Row, RunSet
from eval.metrics.registry import computed
from eval.report.consistency import Measured, read_together
from eval.report.tables import NUMBERS, Figure, columns_of, figures_of, notes, write_figures, written

_WIDTH, _HEIGHT = 2.6, 2.1  # of one metric, inches


def write_sweep(runs: RunSet, rows: Sequence[Row], out: Path) -> list[Figure]:
    """Write ``<out>.csv``, ``.md``, ``.tex``, ``.json`` and ``.png``.

    Raises InputError when a run was not measured, or rows do not belong together.
    """
    configs = [runs.configs[row.run] for row in rows]
    every = read_together([Measured(config, row.method) for config, row in zip(configs, rows, strict=True)])
    figures = [
        figure
        for row, config, scores in zip(rows, configs, every, strict=True)
        for figure in figures_of(scores, row.name, [metric.column for metric in computed(config.evaluate.metrics)])
    ]
    columns = columns_of(figures)
    measured = ", ".join(dict.fromkeys(label_of(row.method) for row in rows))
    write_figures(figures, columns, [f"Measured: {measured}.", *notes(runs.base, figures)], out)
    _write_csv(rows, figures, out.with_suffix(".csv"))
    nested: dict[str, Any] = {}
    for row in rows:
        metrics = {figure.metric: figure.value for figure in figures if figure.method == row.name}
        nested[row.name] = {"run": row.run, "method": row.method, "changes": dict(row.changes), "metrics": metrics}
    write_json(out.with_suffix(".json"), nested)
    _plot(rows, figures, out.with_suffix(".png"))
    return figures


def _write_csv(rows: Sequence[Row], figures: Sequence[Figure], path: Path) -> None:
    """Tidy: one figure a row, with the run and its values of all keys of the sweep."""
    keys = list(dict.fromkeys(key for row in rows for key in row.changes))
    lines: list[list[object]] = []
    for row in rows:
        values = [
            "none" if key in row.changes and row.changes[key] is None else row.changes.get(key, "") for key in keys
        ]
        for figure in (figure for figure in figures if figure.method == row.name):
            numbers = [written(getattr(figure, number)) for number in NUMBERS]
            lines.append([row.name, row.run, row.method, *values, figure.metric, *numbers])
    write_rows(path, ["name", "run", "method", *keys, "metric", *NUMBERS], lines)


def _plot(rows: Sequence[Row], figures: Sequence[Figure], path: Path) -> None:
    """One panel a metric, the rows in their order, with intervals."""
    columns = columns_of(figures)
    across = min(4, len(columns))
    down = -(-len(columns) // across)
    picture = Picture(figsize=(across * _WIDTH, down * _HEIGHT), layout="constrained")
    keys = list(dict.fromkeys(key for row in rows for key in row.changes))
    for index, column in enumerate(columns):
        axes = picture.add_subplot(down, across, index + 1)
        for place, row in enumerate(rows):
            for figure in figures:
                if (figure.method, figure.metric) == (row.name, column.column):
                    axes.plot(place, figure.value, "o", color="tab:blue", markersize=4)
                    if figure.low is not None and figure.high is not None:
                        axes.vlines(place, figure.low, figure.high, color="tab:blue", linewidth=1)
        axes.set_xticks(range(len(rows)), [row.name for row in rows], fontsize=7, rotation=30 if len(rows) > 4 else 0)
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.tick_params(axis="y", labelsize=7)
        axes.set_title(column.title + {"up": " ↑", "down": " ↓"}.get(column.better, ""), fontsize=8)
        axes.grid(axis="y", alpha=0.3)
    picture.supxlabel(", ".join(keys), fontsize=8)
    with atomic_path(path) as aside:
        picture.savefig(aside, format="png", dpi=160)
