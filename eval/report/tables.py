"""Score tables: our rows, and the paper's rows for comparison.

A table is written as tidy CSV (one row per cell), Markdown, LaTeX (booktabs) and nested JSON. As in the paper, the best
value of the ranked rows of a data set is bold and the second best underlined.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawn.baselines.methods import all_methods, label_of
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import read_rows, write_rows
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths
from eval.metrics.registry import METRICS, Metric, computed
from eval.report.paper import paper_rows
from eval.studies.consistency import SAME_SETTINGS, check_equal, read_scores

READS = ("../../config/baselines/*.yaml",)  # labels, ranks and remarks of baselines
NUMBERS = ("value", "low", "high", "n", "backbone", "samples", "bias")  # of scores.json
_COLUMNS = ("dataset", "method", "source", "metric", *NUMBERS)
ARROWS = {"up": " ↑", "down": " ↓", "near": "", "zero": " → 0"}
_TEX_ARROWS = {"up": r" $\uparrow$", "down": r" $\downarrow$", "near": "", "zero": r" $\to 0$"}


@dataclass(frozen=True)
class TableCell:
    """One value of a table with its interval, counts and backbone, which the paper's values do not have.

    source: ``ours``, ``paper`` or ``difference`` (ours minus the paper's). metric: column key in the registry. n:
    clips. samples: frames or windows behind a Fréchet distance; bias: the part of it that is expected from their number
    alone.
    """

    dataset: str
    method: str
    source: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    backbone: str = ""
    samples: int | None = None
    bias: float | None = None


Row = Mapping[str, TableCell]  # by metric


def write_table1(config: Config, scores: Mapping[str, Path], out: Path) -> list[TableCell]:
    """Write Table 1 (``<out>.csv``, ``.md``, ``.tex``, ``.json``) from folders of scores by method, in their order.

    Raises InputError for missing scores, for scores of other settings than `config`, and for scores that were not
    computed alike.
    """
    cells = _our_cells(config, scores) + _paper_cells(config)
    write_table(cells, notes(config, cells), out)
    return cells


def write_table(cells: Sequence[TableCell], remarks: Sequence[str], out: Path) -> None:
    """Write a table as ``<out>.csv``, ``.md`` (with `remarks` below it), ``.tex`` and ``.json`` (our values)."""
    rows = ([csv_value(getattr(cell, name)) for name in _COLUMNS] for cell in cells)
    write_rows(out.with_suffix(".csv"), _COLUMNS, rows)
    _write_text(out.with_suffix(".md"), _markdown(cells, remarks))
    _write_text(out.with_suffix(".tex"), _latex(cells))
    values: dict[str, dict[str, float]] = {}
    for cell in cells:
        if cell.source == "ours":
            values.setdefault(cell.method, {})[cell.metric] = cell.value
    write_json(out.with_suffix(".json"), values)


def read_table(path: Path) -> list[TableCell]:
    """Read the cells of a CSV file of :func:`write_table`. Raises InputError for another file."""
    try:
        return [
            TableCell(
                dataset=row["dataset"],
                method=row["method"],
                source=row["source"],
                metric=row["metric"],
                value=float(row["value"]),
                low=float(row["low"]) if row["low"] else None,
                high=float(row["high"]) if row["high"] else None,
                n=int(row["n"]) if row["n"] else None,
                backbone=row["backbone"],
                samples=int(row["samples"]) if row["samples"] else None,
                bias=float(row["bias"]) if row["bias"] else None,
            )
            for row in read_rows(path)
        ]
    except (KeyError, ValueError) as error:  # InputError is a ValueError
        raise InputError(f"{path}: not a table of 'dawn-eval tables' ({error.__class__.__name__})") from None


def cells_of(scores: Mapping[str, Any], name: str, metrics: Sequence[str]) -> list[TableCell]:
    """Create the cells of row `name` from the content of a ``scores.json``, for those of `metrics` that have a
    value."""
    entries = ((key, scores["metrics"].get(key)) for key in metrics)
    return [
        TableCell(scores["dataset"], name, "ours", key, *(entry.get(number) for number in NUMBERS))
        for key, entry in entries
        if entry is not None and entry["value"] is not None
    ]


def _our_cells(config: Config, folders: Mapping[str, Path]) -> list[TableCell]:
    if not folders:
        raise InputError("a table needs the scores of at least one method")
    keys = [metric.column for metric in computed(config.evaluate.metrics)]
    keys += ["bas_null"] if "bas" in keys else []
    files = [
        (folder / "scores.json", read_scores(folder / "scores.json", config, method))
        for method, folder in folders.items()
    ]
    for file in files[1:]:
        check_equal(*file, *files[0], SAME_SETTINGS)
    return [cell for method, (_, scores) in zip(folders, files, strict=True) for cell in cells_of(scores, method, keys)]


def _paper_cells(config: Config) -> list[TableCell]:
    """Return the paper's Table 1, restricted to one data set where the configuration selects one."""
    dataset = config.evaluate.paper_dataset
    return [
        TableCell(row["dataset"], row["method"], "paper", row["metric"], float(row["value"]))
        for row in paper_rows("table1")
        if dataset is None or row["dataset"] == dataset
    ]


def columns_of(cells: Sequence[TableCell]) -> list[Metric]:
    """Return the metrics of `cells`, in the order of columns."""
    keys = {cell.metric for cell in cells}
    return [metric for metric in METRICS.values() if metric.column in keys]


def grouped(cells: Sequence[TableCell]) -> dict[tuple[str, str], dict[str, dict[str, TableCell]]]:
    """Group cells in order of appearance: (source, dataset) -> method -> metric -> cell."""
    groups: dict[tuple[str, str], dict[str, dict[str, TableCell]]] = {}
    for cell in cells:
        groups.setdefault((cell.source, cell.dataset), {}).setdefault(cell.method, {})[cell.metric] = cell
    return groups


def ranking(rows: Mapping[str, Row], columns: Sequence[Metric]) -> dict[tuple[str, str], int]:
    """Rank the rows of one data set: (method, metric) -> 1 for the best and 2 for the second best value.

    References (such as the real videos) and baselines that the paper does not rank have no rank. A metric whose best
    value is near that of the real videos is ranked by the distance from it. Equal values have equal ranks; a single
    ranked row has none.
    """
    ranks: dict[tuple[str, str], int] = {}
    for metric in columns:
        key = metric.column
        values = {
            method: row[key].value
            for method, row in rows.items()
            if _is_ranked(method) and key in row and math.isfinite(row[key].value)
        }
        true = rows.get("gt", {}).get(key)
        if metric.better == "up":
            values = {method: -value for method, value in values.items()}
        elif metric.better == "near":
            values = {} if true is None else {method: abs(value - true.value) for method, value in values.items()}
        elif metric.better == "zero":
            values = {method: abs(value) for method, value in values.items()}
        if len(values) < 2:
            continue
        for method, value in values.items():
            rank = 1 + sum(other < value for other in values.values())
            if rank <= 2:
                ranks[method, key] = rank
    return ranks


def ranks_of(source: str, rows: Mapping[str, Row], columns: Sequence[Metric]) -> dict[tuple[str, str], int]:
    """Return the :func:`ranking` of rows of one source; differences have none."""
    return {} if source == "difference" else ranking(rows, columns)


def _is_ranked(method: str) -> bool:
    known = all_methods().get(method)
    return (known is None or known.ranked) and not method.startswith(label_of("gt"))


def notes(config: Config, cells: Sequence[TableCell], table: str = "Table 1") -> list[str]:
    """Return the notes below a table, one line each.

    They state intervals, corpus coverage, what each column measures, sample counts and bias of Fréchet distances,
    ranks, remarks on rows, and the chance level of BAS. table: the paper's table of the rows from the paper.
    """
    ours = [cell for cell in cells if cell.source == "ours"]
    n = max((cell.n or 0 for cell in ours), default=0)
    coverage = f"{100 * config.evaluate.interval:g} %"
    lines = [
        f"Brackets: {coverage} interval, {config.evaluate.bootstrap} resamples of {n} clips, with all their windows."
    ]
    lines += _corpus_coverage(config)
    if len(ours) < len(cells):
        lines.append(
            f"Rows marked (paper) are the paper's {table}: other videos and, where the column differs, another "
            "network. They are not comparable with our rows except in their order."
        )
    lines += [f"{metric.title}: {metric.note} ({metric.backbone})." for metric in columns_of(ours)]
    for metric in columns_of(ours):
        biased = [cell for cell in ours if cell.metric == metric.column and cell.bias is not None]
        if biased:
            parts = ", ".join(
                f"{label_of(cell.method)} {cell.bias:.{metric.digits}f} of {cell.value:.{metric.digits}f}"
                for cell in biased
            )
            counts = " or ".join(map(str, sorted({cell.samples for cell in biased if cell.samples})))
            lines.append(f"{metric.title}: bias expected from {counts} samples: {parts}.")
    lines += _ranks_note(cells)
    names = {cell.method for cell in cells}
    lines += [
        f"{method.label}: {method.remark}."
        for method in all_methods().values()
        if method.remark and method.name in names
    ]
    chance = {cell.method: cell.value for cell in ours if cell.metric == "bas_null"}
    if chance:
        values = ", ".join(f"{label_of(method)} {value:.3f}" for method, value in chance.items())
        lines.append(f"BAS of the same motion with the sound of other clips, which is chance: {values}.")
    return lines


def _ranks_note(cells: Sequence[TableCell]) -> list[str]:
    """Return the note on bold and underlined values of a table; none for a table without them."""
    columns = columns_of(cells)
    if not any(ranks_of(source, rows, columns) for (source, _), rows in grouped(cells).items()):
        return []
    references = [label_of(name) for name in dict.fromkeys(cell.method for cell in cells) if not _is_ranked(name)]
    text = "Bold: the best of the ranked rows of a data set; underlined: the second best. A single one is not marked."
    return [f"{text} Not ranked: {'; '.join(references)}." if references else text]


def _corpus_coverage(config: Config) -> list[str]:
    """Return a note on how many listed videos and clips of a downloaded corpus were available; none for other
    corpora."""
    path = Paths.of(config).coverage
    coverage = read_json(path) if path.exists() else {}
    if not coverage.get("videos"):
        return []
    videos, clips = coverage["videos"], coverage["clips"]
    return [
        f"Corpus {config.corpus.name}: {videos['had']} of {videos['listed']} listed videos were available, "
        f"{clips['had']} of {clips['listed']} clips."
    ]


def cell_text(cell: TableCell | None, metric: Metric) -> str:
    """Format a cell: ``1.23 [1.00, 1.50]``, the value alone without an interval, a dash for no cell; paper values as
    printed."""
    if cell is None:
        return "-"
    if cell.source == "paper":
        return f"{cell.value:g}"
    text = f"{cell.value:{'+' if cell.source == 'difference' else ''}.{metric.digits}f}"
    if cell.low is None or cell.high is None:
        return text
    return f"{text} [{cell.low:.{metric.digits}f}, {cell.high:.{metric.digits}f}]"


def data_label(source: str, dataset: str) -> str:
    """Return the text of a row's first column."""
    return {"ours": dataset, "paper": f"{dataset} (paper)"}.get(source, "ours minus the paper's")


def _markdown(cells: Sequence[TableCell], remarks: Sequence[str]) -> str:
    columns = columns_of(cells)
    lines = [
        "| Data | Method | " + " | ".join(f"{metric.title}{ARROWS[metric.better]}" for metric in columns) + " |",
        "| --- | --- |" + " ---: |" * len(columns),
    ]
    for (source, dataset), methods in grouped(cells).items():
        ranks = ranks_of(source, methods, columns)
        for method, row in methods.items():
            texts = [
                _marked(cell_text(row.get(key), metric), ranks.get((method, key)), ("**", "**"), ("<u>", "</u>"))
                for key, metric in ((metric.column, metric) for metric in columns)
            ]
            lines.append("| " + " | ".join([data_label(source, dataset), label_of(method), *texts]) + " |")
    return "\n".join(lines) + "\n\n" + "\n".join(f"- {remark}" for remark in remarks) + "\n"


def _latex(cells: Sequence[TableCell]) -> str:
    columns = columns_of(cells)
    titles = " & ".join(f"{metric.tex}{_TEX_ARROWS[metric.better]}" for metric in columns)
    lines = [
        r"\begin{tabular}{ll" + "r" * len(columns) + "}",
        r"\toprule",
        rf"Data & Method & {titles} \\",
    ]
    for (source, dataset), methods in grouped(cells).items():
        lines.append(r"\midrule")
        ranks = ranks_of(source, methods, columns)
        for method, row in methods.items():
            texts = [
                _tex_cell(row.get(metric.column), metric, ranks.get((method, metric.column))) for metric in columns
            ]
            lines.append(" & ".join([_escape(data_label(source, dataset)), _escape(label_of(method)), *texts]) + r" \\")
    legend = [f"% {note}" for note in _ranks_note(cells)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *legend]) + "\n"


def _marked(text: str, rank: int | None, best: tuple[str, str], second: tuple[str, str]) -> str:
    """Put the value in `text`, not its interval, between the markers of its rank."""
    value, bracket, interval = text.partition(" [")
    before, after = {1: best, 2: second}.get(rank or 0, ("", ""))
    return before + value + after + bracket + interval


def _tex_cell(cell: TableCell | None, metric: Metric, rank: int | None) -> str:
    if cell is None:
        return "--"
    text = _marked(cell_text(cell, metric), rank, (r"\textbf{", "}"), (r"\underline{", "}"))
    value, bracket, interval = text.partition(" [")
    return rf"{value} {{\scriptsize [{interval}}}" if bracket else value


def _escape(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&")


def csv_value(value: Any) -> Any:
    """Format a value as a CSV cell: floats with six significant digits, empty for None and NaN."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as aside:
        aside.write_text(text, encoding="utf-8")
