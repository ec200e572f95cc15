"""Figure of the generation time of DAWN and of the strategies it is compared with (paper Figure 5, times of Table
2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawn.baselines.methods import label_of
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.figures.canvas import COLOURS, Canvas
from eval.report.paper import paper_rows


def draw_time_cost(timing: Mapping[str, Any], out: Path) -> None:
    """Draw seconds per video (median and every repetition), and the ratio to DAWN next to the paper's ratio.

    timing: content of a run's ``timing.json``. The paper's times are of another machine, so only its ratios are
    comparable. Every repetition is written as CSV with the same name. Raises InputError where DAWN was not timed.
    """
    methods = timing["methods"]
    if "dawn" not in methods:
        raise InputError("timing.json holds no time of 'dawn'; run 'dawn time-strategies' again")
    order = sorted(methods, key=lambda method: methods[method]["value"])
    paper_seconds = _paper_seconds()
    height = 0.9 + 0.34 * len(order)
    canvas = Canvas(7.2, height + 0.62)
    left = canvas.axes(1.6, 0.35, 2.5, height - 0.5)
    right = canvas.axes(4.4, 0.35, 2.5, height - 0.5)
    rows: list[tuple[object, ...]] = []
    for y, method in enumerate(order):
        median, colour = methods[method]["value"], COLOURS.get(method, "#777777")
        repetitions = [(clip, value) for clip, values in timing["seconds"][method].items() for value in values]
        left.barh(y, median, color=colour, height=0.6, alpha=0.45)
        left.plot([value for _, value in repetitions], [y] * len(repetitions), "|", color=colour, ms=7)
        left.text(median, y + 0.42, f"{median:.2f} s", fontsize=5, ha="right", va="center")
        ratio = median / methods["dawn"]["value"]
        right.barh(y - 0.15, ratio, color=colour, height=0.28, alpha=0.45)
        right.text(ratio, y - 0.15, f" {ratio:.2f}", fontsize=5, va="center")
        if method in paper_seconds:
            paper_ratio = paper_seconds[method] / paper_seconds["dawn"]
            right.barh(y + 0.15, paper_ratio, color="none", edgecolor="#444444", height=0.28, lw=0.7)
            right.text(paper_ratio, y + 0.15, f" {paper_ratio:.2f}", fontsize=5, va="center")
        rows += [(method, clip, index, f"{value:.4f}") for index, (clip, value) in enumerate(repetitions)]
    left.set_yticks(range(len(order)), [label_of(method) for method in order], fontsize=6)
    right.set_yticks([])
    for axes, title in ((left, "Seconds per video"), (right, "Relative to DAWN (filled: here; outlined: the paper)")):
        axes.set_title(title, fontsize=7)
        axes.tick_params(axis="x", labelsize=5, length=2, pad=1)
        axes.set_ylim(len(order) - 0.35, -0.5)  # first method on top; space for the number below the last bar
        axes.set_xlim(0, axes.get_xlim()[1] * 1.08)
        axes.spines[["top", "right"]].set_visible(False)
    count = methods["dawn"]["n"]
    caption = f"Videos of {timing['frames']} frames on {timing['device']}; median of {count} measurements (marks)."
    canvas.text(0.1, height + 0.16, caption, align="left")
    canvas.text(0.1, height + 0.34, f"Timed: {timing['timed']}.", align="left")
    canvas.save(out)
    write_rows(out.with_suffix(".csv"), ("method", "clip", "repetition", "seconds"), rows)


def _paper_seconds() -> dict[str, float]:
    """Return the seconds of each method in the paper's Table 2."""
    return {row["method"]: float(row["value"]) for row in paper_rows("table2") if row["metric"] == "time_s"}
