"""What each way to cover time costs, as a picture (paper Figure 5 and the times of Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawn.baselines.methods import label_of
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.figures.canvas import COLOURS, Sheet
from eval.report.tables import paper_rows


def time_cost(timing: Mapping[str, Any], out: Path) -> None:
    """Draw `timing` (a run's ``timing.json``): seconds of every repetition and their median; beside it, against DAWN.

    The paper's times were taken on another machine: its ratios to DAWN stand beside ours, not its seconds. As CSV
    beside the picture every repetition. Raises InputError where DAWN itself was not timed.
    """
    methods = timing["methods"]
    if "dawn" not in methods:
        raise InputError("timing.json holds no time of 'dawn'; make it again with 'dawn time-strategies'")
    order = sorted(methods, key=lambda method: methods[method]["value"])
    theirs = _papers()
    height = 0.9 + 0.34 * len(order)
    sheet = Sheet(7.2, height + 0.62)
    left = sheet.axes(1.6, 0.35, 2.5, height - 0.5)
    right = sheet.axes(4.4, 0.35, 2.5, height - 0.5)
    rows: list[tuple[object, ...]] = []
    for y, method in enumerate(order):
        found, colour = methods[method], COLOURS.get(method, "#777777")
        runs = [(clip, one) for clip, each in timing["seconds"][method].items() for one in each]
        left.barh(y, found["value"], color=colour, height=0.6, alpha=0.45)
        left.plot([one for _, one in runs], [y] * len(runs), "|", color=colour, ms=7)
        left.text(found["value"], y + 0.42, f"{found['value']:.2f} s", fontsize=5, ha="right", va="center")
        ratio = found["value"] / methods["dawn"]["value"]
        right.barh(y - 0.15, ratio, color=colour, height=0.28, alpha=0.45)
        right.text(ratio, y - 0.15, f" {ratio:.2f}", fontsize=5, va="center")
        if method in theirs:
            paper = theirs[method] / theirs["dawn"]
            right.barh(y + 0.15, paper, color="none", edgecolor="#444444", height=0.28, lw=0.7)
            right.text(paper, y + 0.15, f" {paper:.2f}", fontsize=5, va="center")
        rows += [(method, clip, turn, f"{one:.4f}") for turn, (clip, one) in enumerate(runs)]
    left.set_yticks(range(len(order)), [label_of(method) for method in order], fontsize=6)
    right.set_yticks([])
    for axes, title in ((left, "Seconds a video"), (right, "Times DAWN's (filled: here; outlined: the paper)")):
        axes.set_title(title, fontsize=7)
        axes.tick_params(axis="x", labelsize=5, length=2, pad=1)
        axes.set_ylim(len(order) - 0.35, -0.5)  # the first above; room below the last for its seconds
        axes.set_xlim(0, axes.get_xlim()[1] * 1.08)
        axes.spines[["top", "right"]].set_visible(False)
    count = methods["dawn"]["n"]
    device = timing["device"]
    sheet.text(
        0.1,
        height + 0.16,
        f"Videos of {timing['frames']} frames on {device}; median of {count}, marks: each.",
        align="left",
    )
    sheet.text(0.1, height + 0.34, f"Timed: {timing['timed']}.", align="left")
    sheet.save(out)
    write_rows(out.with_suffix(".csv"), ("method", "clip", "repetition", "seconds"), rows)


def _papers() -> dict[str, float]:
    """Seconds in the paper's Table 2, by method."""
    return {row["method"]: float(row["value"]) for row in paper_rows("table2") if row["metric"] == "time_s"}
