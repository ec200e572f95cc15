"""HTML page of a run: scores, training checks, samples, further results, and the videos of each clip side by side.

The page is one file, with pictures embedded; only the videos are linked, relative to it. Its layout is
``page.html.j2``.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dawn.baselines.methods import label_of
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json
from eval.report.claims import claim_verdicts
from eval.report.tables import (
    ARROWS,
    TableCell,
    cell_text,
    columns_of,
    data_label,
    grouped,
    notes,
    ranks_of,
    read_table,
)
from eval.report.training_checks import training_checks
from eval.studies.clip_list import video_path

READS = ("page.html.j2",)
_MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


def write_page(
    config: Config,
    cells: Sequence[TableCell],
    names: Sequence[str],
    real: Path,
    videos: Mapping[str, Path],
    out: Path,
    picture: Path | None = None,
    more: Sequence[Path] = (),
    quality: Sequence[Path] = (),
) -> None:
    """Write the HTML page `out`.

    cells: those of Table 1. names: test clips. real: folder of the real videos. videos: folder of generated videos by
    method. picture: sample frames. more: further results in the order of their sections: tables (.csv), pictures (.png)
    and ``claims.json``. quality: ``quality.json`` of runs, this one's first. Raises InputError when a video, picture,
    table or ``quality.json`` is missing or damaged.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    folders = {"gt": real, **videos}
    page = environment.get_template(READS[0]).render(
        run=config.name,
        corpus=config.corpus,
        table=_table(cells),
        notes=notes(config, cells),
        runs=[training_checks(path) for path in quality],
        picture=None if picture is None else _data_url(picture),
        sections=[_section(path) for path in more],
        clips=[
            {
                "name": name,
                "videos": [
                    {"label": label_of(method), "link": _link(video_path(folder, name), out)}
                    for method, folder in folders.items()
                ],
            }
            for name in names
        ],
    )
    with atomic_path(out) as aside:
        aside.write_text(page + "\n", encoding="utf-8")


def _section(path: Path) -> dict[str, Any]:
    """Return the title of a further result, and its `picture`, `claims` or `table`; the other two are empty."""
    title = path.stem.replace("table", "Table ").replace("figure", "Figure ").capitalize()
    section: dict[str, Any] = {"title": title, "picture": None, "claims": [], "table": None}
    if path.suffix == ".png":
        return section | {"picture": _data_url(path)}
    if path.suffix == ".json":
        claims = [
            {"claim": claim, "section": paper_section, "verdict": verdict}
            for claim, paper_section, verdict in claim_verdicts(read_json(path))
        ]
        return section | {"title": "The paper's claims", "claims": claims}
    return section | {"table": _table(read_table(path))}


def _table(cells: Sequence[TableCell]) -> dict[str, Any]:
    """Return columns and rows of a table of scores, as the template takes them."""
    metrics = columns_of(cells)
    rows = []
    for (source, dataset), methods in grouped(cells).items():
        ranks = ranks_of(source, methods, metrics)
        for index, (method, row) in enumerate(methods.items()):
            texts = []
            for metric in metrics:
                value, bracket, interval = cell_text(row.get(metric.column), metric).partition(" [")
                rank = ranks.get((method, metric.column))
                texts.append({"value": value, "interval": f"[{interval}" if bracket else "", "rank": rank})
            style = "main" if (source, method) == ("ours", "dawn") else "first" if index == 0 else ""
            label = {"data": data_label(source, dataset), "method": label_of(method)}
            rows.append(label | {"style": style, "cells": texts})
    columns = [{"title": f"{metric.title}{ARROWS[metric.better]}", "note": metric.note} for metric in metrics]
    return {"columns": columns, "rows": rows}


def _link(video: Path, page: Path) -> str:
    return Path(os.path.relpath(video, page.parent)).as_posix()


def _data_url(picture: Path) -> str:
    """Encode a picture as a ``data:`` URL. Raises InputError for a missing file or another format."""
    media_type = _MEDIA_TYPES.get(picture.suffix.lower())
    if media_type is None or not picture.is_file():
        raise InputError(f"{picture}: not a picture; write it with 'dawn-eval samples' as PNG, SVG or JPEG")
    return f"data:{media_type};base64,{base64.b64encode(picture.read_bytes()).decode()}"
