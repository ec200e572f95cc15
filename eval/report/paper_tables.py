"""Comparison tables in the form of the paper's Tables 2 to 8: our rows, the paper's rows, and their differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dawn.baselines.methods import all_methods, label_of
from dawn.comparisons import Experiments
from dawn.config import Config
from dawn.errors import InputError
from dawn.variants import Row
from eval.metrics.opinion import opinions, read_ratings
from eval.report.paper import paper_rows
from eval.report.tables import TableCell, cells_of, notes, write_table
from eval.studies.consistency import ScoreFile, read_consistent
from eval.studies.timing import generation_time

# Paper's metric -> the metric in the adjacent column, computed with a network that needs no download.
_STAND_INS = {
    "fid": "fd_efficientnet",
    "lse_c": "lse_c_own",
    "lse_d": "lse_d_own",
    "csim": "csim_dlib",
    "dr25": "dr25_efficientnet",
    "dr50": "dr50_efficientnet",
}
_REMARKS = {
    "table2": "Time: seconds to generate an 8-second video, without face detection and speech encoding.",
    "table3": "Inference length: frames generated in one pass.",
    "table4": "One stage alone is trained on as many frames as both stages together.",
    "table5": "Frame-by-frame generation, by DAWN's networks, is compared with Hallo, which generates frame by frame.",
}
_CONDITIONS = {"gt_pose_blink=true": "true pose and blink", "gt_pose_blink=false": "", "inference_length": "frames"}


def write_comparison(experiments: Experiments, table: str, out: Path) -> list[TableCell]:
    """Write ``<out>.csv``, ``.md``, ``.tex`` and ``.json`` of ``table2`` to ``table8``.

    Raises InputError for missing scores, and for scores that do not belong to their runs or cannot be compared.
    """
    base, rows = experiments.runs.base, experiments.rows(table)
    paper = _paper_cells(table, base.evaluate.paper_dataset)
    paper_keys = list(dict.fromkeys(cell.metric for cell in paper))
    keys = [key for name in paper_keys for key in dict.fromkeys((name, _STAND_INS.get(name, name)))]
    ours = _opinion_cells(base, keys) if table == "table6" else _our_cells(experiments, rows, keys)
    cells = [*ours, *paper, *_differences(rows, ours, paper)]
    remarks = notes(base, cells, f"Table {table.removeprefix('table')}")
    if table in _REMARKS:
        remarks.insert(0, _REMARKS[table])
    if table == "table7" and base.compare.resolution_changes:
        changes = ", ".join(f"{key} {value}" for key, value in base.compare.resolution_changes.items())
        remarks.insert(0, f"Besides the resolution, runs other than {base.name} differ in {changes}.")
    if any(cell.source == "difference" for cell in cells):
        pairs = "; ".join(f"{row.name}: {_paper_label(*row.paper)}" for row in rows if row.paper is not None)
        remarks.append(f"Differences are given for columns that both have. Corresponding rows of the paper: {pairs}.")
    write_table(cells, remarks, out)
    return cells


def _our_cells(experiments: Experiments, rows: Sequence[Row], keys: Sequence[str]) -> list[TableCell]:
    files = [ScoreFile(experiments.runs.configs[row.run], row.method) for row in rows]
    cells = []
    for row, file, scores in zip(rows, files, read_consistent(files), strict=True):
        cells += cells_of(scores, row.name, keys)
        time = generation_time(file) if "time_s" in keys else None
        if time is not None:
            numbers = (time["value"], time["low"], time["high"], time["n"])
            cells.append(TableCell(scores["dataset"], row.name, "ours", "time_s", *numbers, "clock"))
    return cells


def _opinion_cells(base: Config, questions: Sequence[str]) -> list[TableCell]:
    """Compute mean opinion scores of the configured user study.

    Raises InputError for a question that Table 6 does not have.
    """
    if base.compare.ratings is None:
        return []
    scores = opinions(
        read_ratings(Path(base.compare.ratings)),
        resamples=base.evaluate.bootstrap,
        seed=base.evaluate.seed,
        coverage=base.evaluate.interval,
    )
    unknown = next((score.question for score in scores if score.question not in questions), None)
    if unknown is not None:
        raise InputError(f"{base.compare.ratings}: question {unknown!r}; the questions are {', '.join(questions)}")
    return [
        TableCell(
            base.corpus.name,
            score.method,
            "ours",
            score.question,
            score.mean,
            score.low,
            score.high,
            score.scores,
            "people",
        )
        for score in scores
    ]


def _paper_cells(table: str, dataset: str | None) -> list[TableCell]:
    """Return the paper's rows of a table, restricted to one data set if the table has rows of it."""
    rows = paper_rows(table)
    selected = [row for row in rows if row["dataset"] == dataset] or rows
    return [
        TableCell(
            row["dataset"], _paper_label(row["method"], row["condition"]), "paper", row["metric"], float(row["value"])
        )
        for row in selected
    ]


def _paper_label(method: str, condition: str) -> str:
    words = [label_of(method) if method in all_methods() else method.replace("_", " ")]
    for part in filter(None, condition.split(";")):
        key, _, value = part.partition("=")
        words.append(_CONDITIONS[part] if part in _CONDITIONS else f"{_CONDITIONS.get(key, key)} {value}")
    return ", ".join(filter(None, words))


def _differences(rows: Sequence[Row], ours: Sequence[TableCell], paper: Sequence[TableCell]) -> list[TableCell]:
    """Subtract the paper's values from ours for corresponding rows, in columns that both have."""
    paper_values = {(cell.method, cell.metric): cell.value for cell in paper}
    labels = {row.name: _paper_label(*row.paper) for row in rows if row.paper is not None}
    cells = []
    for cell in ours:
        value = paper_values.get((labels.get(cell.method, label_of(cell.method)), cell.metric))
        if value is not None:
            cells.append(TableCell("", cell.method, "difference", cell.metric, cell.value - value))
    return cells
