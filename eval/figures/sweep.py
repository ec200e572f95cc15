"""Figure of the scores of a sweep's runs, one panel per metric, from the CSV file of ``dawn-eval sweep``."""

from __future__ import annotations

from pathlib import Path

from dawn.media.csv_files import read_rows
from dawn.media.files import atomic_path
from eval.metrics.registry import get_metric

_WIDTH, _HEIGHT = 2.6, 2.1  # inches, size of a panel
_ACROSS = 4  # panels per row
_ARROWS = {"up": " ↑", "down": " ↓"}


def draw_sweep(table: Path, out: Path) -> None:
    """Draw the scores of the runs in their order, with intervals; the x axis is labelled with the keys that differ."""
    from matplotlib.figure import Figure

    rows = read_rows(table)
    header = list(rows[0])
    keys = header[header.index("method") + 1 : header.index("metric")]
    names = list(dict.fromkeys(row["name"] for row in rows))
    metrics = sorted((get_metric(key) for key in {row["metric"] for row in rows}), key=lambda metric: metric.order)
    across = min(_ACROSS, len(metrics))
    down = -(-len(metrics) // across)
    figure = Figure(figsize=(across * _WIDTH, down * _HEIGHT), layout="constrained")
    for index, metric in enumerate(metrics):
        axes = figure.add_subplot(down, across, index + 1)
        for row in rows:
            if row["metric"] == metric.column:
                x = names.index(row["name"])
                axes.plot(x, float(row["value"]), "o", color="tab:blue", markersize=4)
                if row["low"] and row["high"]:
                    axes.vlines(x, float(row["low"]), float(row["high"]), color="tab:blue", linewidth=1)
        axes.set_xticks(range(len(names)), names, fontsize=7, rotation=30 if len(names) > 4 else 0)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.tick_params(axis="y", labelsize=7)
        axes.set_title(metric.title + _ARROWS.get(metric.better, ""), fontsize=8)
        axes.grid(axis="y", alpha=0.3)
    figure.supxlabel(", ".join(keys), fontsize=8)
    with atomic_path(out) as aside:
        figure.savefig(aside, format="png", dpi=160)
