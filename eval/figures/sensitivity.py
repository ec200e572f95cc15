"""Figure of each metric's response to perturbations of increasing strength, from ``dawn-eval sensitivity``'s CSV
file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dawn.media.csv_files import read_rows
from dawn.media.files import atomic_path
from eval.metrics.registry import get_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ARROWS = {"up": "\N{UPWARDS ARROW}", "down": "\N{DOWNWARDS ARROW}"}

Curve = Sequence[dict[str, str]]  # the rows of one metric and perturbation, by increasing strength


def draw_sensitivity(table: Path, out: Path) -> None:
    """Draw one row of panels per perturbation and one panel per metric.

    Titles state the expected direction and the verdict; curves that are not monotone are red.
    """
    from matplotlib.figure import Figure

    curves: dict[str, dict[str, list[dict[str, str]]]] = {}
    for row in read_rows(table):
        curves.setdefault(row["perturbation"], {}).setdefault(row["metric"], []).append(row)
    columns = max(map(len, curves.values()))
    figure = Figure(figsize=(3.1 * columns, 1.75 * len(curves)), dpi=150, layout="constrained")
    grid = figure.subplots(len(curves), columns, squeeze=False)
    for (perturbation, metrics), panels in zip(curves.items(), grid, strict=True):
        for axes, curve in zip(panels, metrics.values(), strict=False):
            _draw_panel(axes, curve)
        for axes in panels[len(metrics) :]:
            axes.set_axis_off()
        panels[0].set_ylabel(perturbation, fontsize=9, fontweight="bold")
    with atomic_path(out) as aside:
        figure.savefig(aside)


def _draw_panel(axes: Axes, curve: Curve) -> None:
    strengths, values, lows, highs = (
        [float(row[key]) if row[key] else math.nan for row in curve] for key in ("strength", "value", "low", "high")
    )
    verdict, direction = curve[0]["verdict"], curve[0]["expected"]
    monotone = verdict == "monotone"
    colour = "tab:blue" if monotone else "tab:red"
    axes.fill_between(strengths, lows, highs, color=colour, alpha=0.2, linewidth=0)
    axes.plot(strengths, values, color=colour, marker="o", markersize=3, linewidth=1.2)
    title = f"{get_metric(curve[0]['metric']).title} {_ARROWS[direction]} {verdict}"
    axes.set_title(title, fontsize=7, color="black" if monotone else colour)
    axes.set_xlabel(curve[0]["unit"], fontsize=6)
    axes.set_xticks(strengths)
    axes.tick_params(labelsize=6)
