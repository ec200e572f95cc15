"""Scores of several methods to one table, with the paper's own rows beside them.

Written four times: tidy CSV (one figure a row), Markdown, LaTeX (booktabs) and nested JSON. As in the paper, the best
of the ranked rows of a data set is bold and the second best underlined. Scores that were measured with other settings,
clips, true videos, weights or code than their neighbours are refused: a table never mixes causes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawn.baselines.methods import all_methods, label_of
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths
from eval.metrics.registry import METRICS, Metric, computed
from eval.studies.run_settings import settings_digest

READS = ("paper.csv", "../../config/baselines/*.yaml")  # the second: names, ranks and remarks of baselines
_PAPER = Path(__file__).with_name(READS[0])
NUMBERS = ("value", "low", "high", "n", "backbone", "samples", "bias")  # of scores.json
TIDY = ("dataset", "method", "source", "metric", *NUMBERS)
_SHARED = ("clips", "real", "weights", "code", "parameters", "seed")  # besides the settings


@dataclass(frozen=True)
class Figure:
    """One figure of the table; the paper's have no interval, count or backbone that it states."""

    dataset: str
    method: str
    source: str  # ours, paper or difference (ours less the paper's)
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    backbone: str = ""
    samples: int | None = None  # frames or windows behind a Fréchet distance
    bias: float | None = None  # how much of it is expected from their number alone


def write_tables(config: Config, scores: Mapping[str, Path], out: Path) -> list[Figure]:
    """Write ``<out>.csv``, ``.md``, ``.tex`` and ``.json`` from folders of scores, in the order given.

    Raises InputError when scores are missing, were measured with other settings than `config`, or do not belong
    together.
    """
    figures = _ours(config, scores) + _papers(config)
    columns = columns_of(figures)
    write_figures(figures, columns, notes(config, figures), out)
    return figures


def columns_of(figures: Sequence[Figure]) -> list[Metric]:
    """The metrics that figures are of, in the order of columns."""
    shown = {figure.metric for figure in figures}
    return [metric for metric in METRICS.values() if metric.column in shown]


def write_figures(figures: Sequence[Figure], columns: Sequence[Metric], remarks: Sequence[str], out: Path) -> None:
    """The four files of a table."""
    _write_csv(out.with_suffix(".csv"), figures)
    _write_text(out.with_suffix(".md"), _markdown(figures, columns, remarks))
    _write_text(out.with_suffix(".tex"), _latex(figures, columns))
    nested: dict[str, dict[str, float]] = {}
    for figure in figures:
        if figure.source == "ours":
            nested.setdefault(figure.method, {})[figure.metric] = figure.value
    write_json(out.with_suffix(".json"), nested)


def _ours(config: Config, folders: Mapping[str, Path]) -> list[Figure]:
    wanted = settings_digest(config)
    first: tuple[Path, dict[str, Any]] | None = None
    figures = []
    keys = [metric.column for metric in computed(config.evaluate.metrics)]
    for method, folder in folders.items():
        path = folder / "scores.json"
        scores = read_json(path)
        if scores.get("method") != method:
            raise InputError(f"{path}: scores of {scores.get('method')!r}, given as {method!r}")
        causes = scores["provenance"]
        if causes["settings"] != wanted:
            raise InputError(f"{path}: measured with settings that differ from the configuration; measure again")
        if first is None:
            first = (path, causes)
        differs = next((key for key in _SHARED if causes[key] != first[1][key]), None)
        if differs is not None:
            raise InputError(f"{path}: its {differs} differ from those of {first[0]}; measure both again")
        figures += figures_of(scores, method, [*keys, "bas_null"] if "bas" in keys else keys)
    if first is None:
        raise InputError("a table needs the scores of at least one method")
    return figures


def figures_of(scores: Mapping[str, Any], name: str, metrics: Sequence[str]) -> list[Figure]:
    """The figures of a ``scores.json`` as row `name`, of those of `metrics` that it has."""
    entries = ((key, scores["metrics"].get(key)) for key in metrics)
    return [
        Figure(scores["dataset"], name, "ours", key, *(entry.get(number) for number in NUMBERS))
        for key, entry in entries
        if entry is not None and entry["value"] is not None
    ]


def _papers(config: Config) -> list[Figure]:
    """Table 1 of the paper, of the data sets that the configuration asks for."""
    wanted = config.evaluate.paper_dataset
    return [
        Figure(row["dataset"], row["method"], "paper", row["metric"], float(row["value"]))
        for row in paper_rows("table1")
        if wanted is None or row["dataset"] == wanted
    ]


def paper_rows(table: str) -> list[dict[str, str]]:
    """The paper's own numbers of a table: dataset, method, condition, metric, value."""
    with open(_PAPER, encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["table"] == table]


def read_figures(path: Path) -> list[Figure]:
    """The figures of a tidy CSV file that :func:`write_tables` wrote. Raises InputError when it is none."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return [
                Figure(
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
                for row in csv.DictReader(stream)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: not a table of 'dawn-eval tables' ({error.__class__.__name__})") from None


def blocks(figures: Sequence[Figure]) -> dict[tuple[str, str], dict[str, dict[str, Figure]]]:
    """Rows of the table: (source, dataset) -> method -> metric -> figure, in order of appearance."""
    blocks: dict[tuple[str, str], dict[str, dict[str, Figure]]] = {}
    for figure in figures:
        block = blocks.setdefault((figure.source, figure.dataset), {})
        block.setdefault(figure.method, {})[figure.metric] = figure
    return blocks


def ranking(rows: Mapping[str, Mapping[str, Figure]], columns: Sequence[Metric]) -> dict[tuple[str, str], int]:
    """(method, metric) -> 1 for the best, 2 for the second best of the ranked rows of one data set.

    Rows that are only there to be read by, and baselines that the paper does not rank, get no rank and take none away.
    A column that is best near the true videos is ranked by the distance from them. Equal figures share a rank; where
    only one row is ranked, none is.
    """
    ranks: dict[tuple[str, str], int] = {}
    for column in columns:
        values = {
            method: row[column.column].value
            for method, row in rows.items()
            if _ranked(method) and column.column in row and math.isfinite(row[column.column].value)
        }
        true = rows.get("gt", {}).get(column.column)
        if column.better == "up":
            values = {method: -value for method, value in values.items()}
        elif column.better == "near":
            values = {} if true is None else {method: abs(value - true.value) for method, value in values.items()}
        elif column.better == "zero":
            values = {method: abs(value) for method, value in values.items()}
        if len(values) < 2:
            continue
        for method, value in values.items():
            rank = 1 + sum(other < value for other in values.values())
            if rank <= 2:
                ranks[method, column.column] = rank
    return ranks


def _markdown(figures: Sequence[Figure], columns: Sequence[Metric], remarks: Sequence[str]) -> str:
    lines = [
        "| Data | Method | " + " | ".join(f"{column.title}{ARROWS[column.better]}" for column in columns) + " |",
        "| --- | --- |" + " ---: |" * len(columns),
    ]
    for (source, dataset), methods in blocks(figures).items():
        ranks = {} if source == "difference" else ranking(methods, columns)
        for method, row in methods.items():
            cells = [
                _marked(
                    cell(row.get(column.column), column),
                    ranks.get((method, column.column)),
                    ("**", "**"),
                    ("<u>", "</u>"),
                )
                for column in columns
            ]
            lines.append(f"| {whose(source, dataset)} | {label_of(method)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + "\n".join(f"- {note}" for note in remarks) + "\n"


def whose(source: str, dataset: str) -> str:
    """The first column of a row."""
    return {"ours": dataset, "paper": f"{dataset} (paper)"}.get(source, "ours less the paper's")


def notes(config: Config, figures: Sequence[Figure], table: str = "Table 1") -> list[str]:
    """What a reader must know to read the figures: intervals, counts, what measured each column, on what it stands."""
    ours = [figure for figure in figures if figure.source == "ours"]
    n = max((figure.n or 0 for figure in ours), default=0)
    coverage = f"{100 * config.evaluate.interval:g} %"
    lines = [
        f"Brackets: {coverage} interval, {config.evaluate.bootstrap} resamples of {n} clips, with all their windows."
    ]
    lines += had_of_listed(config)
    if len(ours) < len(figures):
        lines.append(
            f"Rows marked (paper) are the paper's {table}: other videos and, where the column differs, another "
            "network. They are not comparable with our rows except in their order."
        )
    for column in METRICS.values():
        if any(figure.metric == column.column for figure in ours):
            lines.append(f"{column.title}: {column.note} ({column.backbone}).")
    for column in METRICS.values():
        few = [figure for figure in ours if figure.metric == column.column and figure.bias is not None]
        if few:
            shares = ", ".join(
                f"{label_of(one.method)} {one.bias:.{column.digits}f} of {one.value:.{column.digits}f}" for one in few
            )
            counts = " or ".join(map(str, sorted({one.samples for one in few if one.samples})))
            lines.append(f"{column.title}: expected from the number of samples alone ({counts}): {shares}.")
    if any(ranking(rows, columns_of(figures)) for rows in blocks(figures).values()):
        lines.append("Bold: the best of the rows of a data set; underlined: the second best.")
    shown = {figure.method for figure in figures}
    lines += [
        f"{method.label}: {method.remark}."
        for method in all_methods().values()
        if method.remark and method.name in shown
    ]
    chance = {figure.method: figure.value for figure in ours if figure.metric == "bas_null"}
    if chance:
        values = ", ".join(f"{label_of(method)} {value:.3f}" for method, value in chance.items())
        lines.append(f"BAS of the same motion with the sound of other clips, which is chance: {values}.")
    return lines


def had_of_listed(config: Config) -> list[str]:
    """On how much of a corpus from the net its numbers stand, in a sentence; nothing for a corpus made here."""
    place = Paths.of(config).coverage
    told = read_json(place) if place.exists() else {}
    if not told.get("videos"):
        return []
    videos, clips = told["videos"], told["clips"]
    return [
        f"Corpus {config.corpus.name}: {videos['had']} of {videos['listed']} listed videos could be had, "
        f"{clips['had']} of {clips['listed']} clips."
    ]


def _latex(figures: Sequence[Figure], columns: Sequence[Metric]) -> str:
    heads = " & ".join(f"{column.tex}{_TEX_ARROWS[column.better]}" for column in columns)
    lines = [
        r"\begin{tabular}{ll" + "r" * len(columns) + "}",
        r"\toprule",
        rf"Data & Method & {heads} \\",
    ]
    for (source, dataset), methods in blocks(figures).items():
        lines.append(r"\midrule")
        ranks = {} if source == "difference" else ranking(methods, columns)
        for method, row in methods.items():
            cells = [
                _tex_cell(row.get(column.column), column, ranks.get((method, column.column))) for column in columns
            ]
            lines.append(" & ".join([_escape(whose(source, dataset)), _escape(label_of(method)), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


ARROWS = {"up": " ↑", "down": " ↓", "near": "", "zero": " → 0"}
_TEX_ARROWS = {"up": r" $\uparrow$", "down": r" $\downarrow$", "near": "", "zero": r" $\to 0$"}


def _ranked(method: str) -> bool:
    known = all_methods().get(method)
    return (known is None or known.ranked) and not method.startswith(label_of("gt"))


def cell(figure: Figure | None, column: Metric) -> str:
    """``1.23 [1.00, 1.50]``, the value alone where there is no interval, a dash for none."""
    if figure is None:
        return "-"
    if figure.source == "paper":
        return f"{figure.value:g}"  # as many digits as it prints
    text = f"{figure.value:{'+' if figure.source == 'difference' else ''}.{column.digits}f}"
    if figure.low is None or figure.high is None:
        return text
    return f"{text} [{figure.low:.{column.digits}f}, {figure.high:.{column.digits}f}]"


def _marked(text: str, rank: int | None, best: tuple[str, str], second: tuple[str, str]) -> str:
    """`text`, whose value (without the interval) is marked when it is best or second best."""
    value, bracket, interval = text.partition(" [")
    before, after = {1: best, 2: second}.get(rank or 0, ("", ""))
    return before + value + after + bracket + interval


def _tex_cell(figure: Figure | None, column: Metric, rank: int | None) -> str:
    if figure is None:
        return "--"
    text = _marked(cell(figure, column), rank, (r"\textbf{", "}"), (r"\underline{", "}"))
    value, bracket, interval = text.partition(" [")
    return rf"{value} {{\scriptsize [{interval}}}" if bracket else value


def _escape(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&")


def _write_csv(path: Path, figures: Sequence[Figure]) -> None:
    write_rows(path, TIDY, ([written(getattr(figure, name)) for name in TIDY] for figure in figures))


def written(value: Any) -> Any:
    """A cell of a CSV file: six digits of a float, empty for none."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as aside:
        aside.write_text(text, encoding="utf-8")
