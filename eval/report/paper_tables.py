"""The paper's Tables 2 to 8: our rows, the paper's, and the difference where both measured the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dawn.baselines.methods import all_methods, label_of
from dawn.comparisons import Experiments
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.json_files import read_json
from dawn.variants import Row
from eval.metrics.degradation import LENGTHS
from eval.metrics.opinion import opinions, read_ratings
from eval.report.consistency import Measured, read_together
from eval.report.tables import Figure, columns_of, figures_of, notes, paper_rows, write_figures

# What stands for a column of the paper whose network is not bundled.
_STAND_INS = {"fid": "fd_efficientnet", "lse_c": "lse_c_own", "lse_d": "lse_d_own", "csim": "csim_dlib"} | {
    f"dr{length}": f"dr{length}_efficientnet" for length in LENGTHS
}
_REMARKS = {
    "table2": "Time: seconds of an 8-second video, without finding the face and encoding speech.",
    "table3": "Inference length: frames generated in one pass.",
    "table5": "Frame by frame stands in the row of Hallo, whose kind of generation it is; it shares DAWN's networks.",
    "table4": "One stage alone is trained on as many frames as both stages together.",
}
_PLAIN = {"gt_pose_blink=true": "true pose and blink", "gt_pose_blink=false": "", "inference_length": "frames"}


def write_comparison(experiments: Experiments, table: str, out: Path) -> list[Figure]:
    """Write ``<out>.csv``, ``.md``, ``.tex`` and ``.json`` of ``table2`` to ``table8``.

    Raises InputError when something was not measured, or rows do not belong to their runs or together.
    """
    base, rows = experiments.runs.base, experiments.rows(table)
    papers = _papers(table, base.evaluate.paper_dataset)
    shown = list(dict.fromkeys(figure.metric for figure in papers))
    wanted = [key for name in shown for key in dict.fromkeys((name, _STAND_INS.get(name, name)))]
    ours = _rated(base, wanted) if table == "table6" else _ours(experiments, rows, wanted)
    figures = [*ours, *papers, *_differences(rows, ours, papers)]
    columns = columns_of(figures)
    remarks = notes(base, figures, f"Table {table.removeprefix('table')}")
    if table in _REMARKS:
        remarks.insert(0, _REMARKS[table])
    if table == "table7" and base.compare.resolution_changes:
        changes = ", ".join(f"{key} {value}" for key, value in base.compare.resolution_changes.items())
        remarks.insert(0, f"Beside its resolution, a run other than {base.name} has {changes}.")
    if any(figure.source == "difference" for figure in figures):
        beside = "; ".join(f"{row.name}: {_paper_name(*row.paper)}" for row in rows if row.paper is not None)
        remarks.append(f"Differences are given where both have the column. Rows beside the paper's: {beside}.")
    write_figures(figures, columns, remarks, out)
    return figures


def _ours(experiments: Experiments, rows: Sequence[Row], wanted: Sequence[str]) -> list[Figure]:
    configs = [experiments.runs.configs[row.run] for row in rows]
    every = read_together([Measured(config, row.method) for config, row in zip(configs, rows, strict=True)])
    figures = []
    for row, config, scores in zip(rows, configs, every, strict=True):
        figures += figures_of(scores, row.name, wanted)
        timed = seconds(Measured(config, row.method)) if "time_s" in wanted else None
        if timed is not None:
            numbers = (timed["value"], timed["low"], timed["high"], timed["n"])
            figures.append(Figure(scores["dataset"], row.name, "ours", "time_s", *numbers, "clock"))
    return figures


def seconds(row: Measured) -> dict[str, Any] | None:
    """Median seconds of a method with interval and count, from its run's ``timing.json``; None where not timed."""
    path = row.paths.run / "timing.json"
    if not path.is_file():
        return None
    timed: dict[str, Any] | None = read_json(path)["methods"].get(row.method)
    return timed


def _rated(base: Config, wanted: Sequence[str]) -> list[Figure]:
    """Mean opinions of the user study that the configuration names. Raises InputError for another question."""
    if base.compare.ratings is None:
        return []
    found = opinions(
        read_ratings(Path(base.compare.ratings)),
        resamples=base.evaluate.bootstrap,
        seed=base.evaluate.seed,
        coverage=base.evaluate.interval,
    )
    unknown = next((one.question for one in found if one.question not in wanted), None)
    if unknown is not None:
        raise InputError(f"{base.compare.ratings}: question {unknown!r}; Table 6 asks {', '.join(wanted)}")
    return [
        Figure(base.corpus.name, one.method, "ours", one.question, one.mean, one.low, one.high, one.scores, "people")
        for one in found
    ]


def _papers(table: str, dataset: str | None) -> list[Figure]:
    """The paper's rows of a table. Most tables are of one data set, which is then shown whatever is asked for."""
    rows = paper_rows(table)
    kept = [row for row in rows if row["dataset"] == dataset] or rows
    return [
        Figure(
            row["dataset"],
            _paper_name(row["method"], row["condition"]),
            "paper",
            row["metric"],
            float(row["value"]),
        )
        for row in kept
    ]


def _paper_name(method: str, condition: str) -> str:
    words = [label_of(method) if method in all_methods() else method.replace("_", " ")]
    for part in filter(None, condition.split(";")):
        key, _, value = part.partition("=")
        words.append(_PLAIN[part] if part in _PLAIN else f"{_PLAIN.get(key, key)} {value}")
    return ", ".join(filter(None, words))


def _differences(rows: Sequence[Row], ours: Sequence[Figure], papers: Sequence[Figure]) -> list[Figure]:
    """Ours less the paper's of the row that each of ours stands beside, for columns that both have."""
    theirs = {(figure.method, figure.metric): figure.value for figure in papers}
    beside = {row.name: _paper_name(*row.paper) for row in rows if row.paper is not None}
    found = []
    for figure in ours:
        value = theirs.get((beside.get(figure.method, label_of(figure.method)), figure.metric))
        if value is not None:
            found.append(Figure("", figure.method, "difference", figure.metric, figure.value - value))
    return found
