"""One page that shows a run: the table, the sample picture, and the videos side by side.

The page needs nothing from elsewhere; only the videos stay where they are, linked relative to it.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dawn.baselines.methods import label_of
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json
from eval.extract.clip_list import video_path
from eval.metrics.columns import COLUMNS
from eval.report.claims import verdicts
from eval.report.tables import ARROWS, Figure, blocks, cell, notes, read_figures, whose

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fdfdfc; --line: #d8d6d0; --soft: #6a675f; --mark: #f1efe8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e1; --paper: #17181a; --line: #3a3b3e; --soft: #a19e96; --mark: #222427; }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1.25rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin-bottom: .25rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; }
p, li { max-width: 46rem; } .soft, li { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap; vertical-align: top; }
th { border-bottom: 2px solid var(--line); font-weight: 600; } tr.first td { border-top: 1px solid var(--line); }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
tr.main td { background: var(--mark); font-weight: 600; }
td small { display: block; color: var(--soft); font-weight: 400; }
img { max-width: 100%; background: #fff; border-radius: 4px; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; margin: .5rem 0 1.5rem; }
figure { margin: 0; } figcaption { font-size: .8rem; color: var(--soft); }
video { display: block; width: 11rem; background: var(--mark); border-radius: 4px; }
button { font: inherit; font-size: .85rem; padding: .15rem .7rem; color: inherit; background: var(--mark);
  border: 1px solid var(--line); border-radius: 4px; cursor: pointer; }
"""
# All videos of a clip start together; one of them is heard.
_SCRIPT = """
document.querySelectorAll('button').forEach(button => button.addEventListener('click', () => {
  document.querySelectorAll('video').forEach(video => video.pause());
  button.closest('section').querySelectorAll('video').forEach((video, i) => {
    video.muted = i > 0; video.currentTime = 0; video.play();
  });
}));
"""


def write_page(
    config: Config,
    figures: Sequence[Figure],
    names: Sequence[str],
    real: Path,
    videos: Mapping[str, Path],
    out: Path,
    picture: Path | None = None,
    more: Sequence[Path] = (),
) -> None:
    """Write `out`, an HTML file, from the figures of a table, clips and folders of videos by method.

    `more` are what else was made: tables (.csv), pictures (.png) and the claims (.json), in this order on the page.
    Raises InputError when a video, picture or table is missing.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{html.escape(config.name)}: talking heads measured</title><style>{_STYLE}</style></head><body>",
        f"<h1>Run “{html.escape(config.name)}”</h1>",
        f'<p class="soft">{len(names)} test clips of {html.escape(config.corpus.name)}, '
        f"{config.corpus.resolution} by {config.corpus.resolution} pixels, {config.corpus.fps} frames a second. "
        "Generated videos are synthetic and marked so in their metadata.</p>",
        "<h2>Measured</h2>",
        '<div class="wide">' + _table(figures) + "</div>",
        "<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in notes(config, figures)) + "</ul>",
    ]
    if picture is not None:
        parts += ["<h2>Samples</h2>", f'<img alt="Source, true and generated frames" src="{_embedded(picture)}">']
    parts += [_gathered(path) for path in more]
    parts.append("<h2>Side by side</h2>")
    folders = {"gt": real, **videos}
    for name in names:
        shown = "".join(_video(video_path(folder, name), method, out) for method, folder in folders.items())
        parts.append(
            f'<section><div>{html.escape(name)} <button type="button">Play together</button></div>'
            f'<div class="row">{shown}</div></section>'
        )
    parts.append(f"<script>{_SCRIPT}</script></body></html>")
    with atomic_path(out) as aside:
        aside.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _gathered(path: Path) -> str:
    """A section of a file that another step made."""
    title = html.escape(path.stem.replace("table", "Table ").replace("figure", "Figure "))
    if path.suffix == ".png":
        return f'<h2>{title}</h2><img alt="{title}" src="{_embedded(path)}">'
    if path.suffix == ".json":
        return '<h2>The paper\'s claims</h2><div class="wide">' + _claims(read_json(path)) + "</div>"
    return f'<h2>{title}</h2><div class="wide">{_table(read_figures(path))}</div>'


def _claims(tests: Sequence[Mapping[str, str]]) -> str:
    rows = [
        f"<tr><td>{html.escape(says)}</td><td>{html.escape(where)}</td><td>{html.escape(verdict)}</td></tr>"
        for says, where, verdict in verdicts(tests)
    ]
    heads = "<tr><th>Claim</th><th>Where</th><th>Here</th></tr>"
    return f"<table><thead>{heads}</thead><tbody>{''.join(rows)}</tbody></table>"


def _table(figures: Sequence[Figure]) -> str:
    columns = [column for column in COLUMNS if any(figure.metric == column.key for figure in figures)]
    heads = "".join(f'<th title="{html.escape(c.note)}">{html.escape(c.label)}{ARROWS[c.better]}</th>' for c in columns)
    rows = []
    for (source, dataset), methods in blocks(figures).items():
        for index, (method, row) in enumerate(methods.items()):
            style = "main" if (source, method) == ("ours", "dawn") else "first" if index == 0 else ""
            where = whose(source, dataset)
            cells = []
            for column in columns:
                value, bracket, interval = cell(row.get(column.key), column).partition(" [")
                cells.append(f"<td>{value}" + (f"<small>[{interval}</small>" if bracket else "") + "</td>")
            label = f"<td>{html.escape(where)}</td><td>{html.escape(label_of(method))}</td>"
            rows.append(f'<tr class="{style}">{label}{"".join(cells)}</tr>')
    return f"<table><thead><tr><th>Data</th><th>Method</th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _video(path: Path, method: str, page: Path) -> str:
    link = Path(os.path.relpath(path, page.parent)).as_posix()
    label = html.escape(label_of(method))
    return (
        f'<figure><video controls loop playsinline preload="metadata" src="{html.escape(link)}"></video>'
        f"<figcaption>{label}</figcaption></figure>"
    )


def _embedded(picture: Path) -> str:
    kinds = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
    kind = kinds.get(picture.suffix.lower())
    if kind is None or not picture.is_file():
        raise InputError(f"{picture}: no picture to embed; make it with 'dawn-eval samples' as PNG, SVG or JPEG")
    return f"data:{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}"
