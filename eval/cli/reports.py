"""Commands of the workflow that write tables, tests of claims and the HTML page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawn.commands import ListOptionsCommand
from eval.cli.options import (
    DEFAULT_CONFIG,
    DEFAULT_SWEEPS,
    CacheFolder,
    ClipList,
    ConfigFile,
    RealFolder,
    SweepFolder,
    TableFiles,
    VideoFolders,
    cache_at,
    named_folders,
)

app = typer.Typer()
_PANEL = "Tables and pages (steps of the workflow)"


# Heavy libraries are imported by the command that needs them, so that help and errors are immediate.
@app.command(
    "tables",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval tables --scores gt=results/demo/scores/gt dawn=results/demo/scores/dawn "
    "--out results/demo/table1",
)
def tables(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    scores: Annotated[
        list[str], typer.Option(metavar="NAME=DIR...", help="output folders of 'score', in the order of the rows")
    ],
    out: TableFiles,
) -> None:
    """Table 1: scores of several methods next to the paper's."""
    from dawn.config import load

    settings = load(config)
    from eval.report.tables import write_table1

    write_table1(settings, named_folders(scores), out)


@app.command("table", rich_help_panel=_PANEL, epilog="Example: dawn-eval table table2 --out results/table2")
def table(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="table2 to table8")],
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    sweeps: SweepFolder = DEFAULT_SWEEPS,
    out: TableFiles,
) -> None:
    """One of the paper's Tables 2 to 8: our rows next to the paper's."""
    from dawn.comparisons import TABLES, experiments_of
    from dawn.config import load
    from dawn.errors import InputError

    if table not in TABLES:
        raise InputError(f"no table is called {table!r}; there are {', '.join(TABLES)}")
    experiments = experiments_of(load(config), sweeps)
    from eval.report.paper_tables import write_comparison

    write_comparison(experiments, table, out)


@app.command(
    "sweep",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval sweep config/sweeps/window.csv --out results/sweeps/window",
)
def sweep(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP.csv", help="columns: configuration keys, name, method")],
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    out: Annotated[
        Path,
        typer.Option(metavar="PATH", help="path without suffix; .csv, .md, .tex, .json and .png are written"),
    ],
) -> None:
    """Scores of a sweep's runs as a table and a plot."""
    from dawn.comparisons import experiments_of
    from dawn.config import load

    experiments = experiments_of(load(config), sweep.parent)
    from eval.figures.sweep import draw_sweep
    from eval.report.sweep import write_sweep

    write_sweep(experiments.runs, experiments.rows(sweep.stem), out)
    draw_sweep(out.with_suffix(".csv"), out.with_suffix(".png"))


@app.command("seeds", rich_help_panel=_PANEL, epilog="Example: dawn-eval seeds --out results/seeds")
def seeds(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    sweeps: SweepFolder = DEFAULT_SWEEPS,
    out: Annotated[Path, typer.Option(metavar="PATH", help="path without suffix; .csv and .md are written")],
) -> None:
    """Levels and scores of a run and its repetitions: each run, mean and range."""
    from dawn.comparisons import experiments_of
    from dawn.config import load

    experiments = experiments_of(load(config), sweeps)
    from eval.report.seeds import write_seeds

    write_seeds(experiments, out)


@app.command(
    "claims",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval claims --rivals wav2lip audio2head --out results/claims",
)
def claims(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    sweeps: SweepFolder = DEFAULT_SWEEPS,
    rivals: Annotated[list[str] | None, typer.Option(metavar="NAME...", help="baselines that have scores")] = None,
    cache: CacheFolder = None,
    out: Annotated[Path, typer.Option(metavar="PATH", help="path without suffix; .md and .json are written")],
) -> None:
    """Test each claim of the paper on our scores."""
    from dawn.comparisons import experiments_of
    from dawn.config import load

    experiments = experiments_of(load(config), sweeps)
    from eval.report.claims import write_claims_page
    from eval.studies.claims import evaluate_claims, write_claim_tests

    tests = evaluate_claims(experiments, rivals or [], cache_at(cache))
    write_claim_tests(tests, out.with_suffix(".json"))
    write_claims_page(experiments.runs.base, out.with_suffix(".json"), out.with_suffix(".md"))


@app.command(
    "page",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval page --clips results/demo/test.csv --real data/demo/64/clips --videos "
    "dawn=results/demo/videos --table results/table1.csv --out results/index.html",
)
def page(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    clips: ClipList,
    real: RealFolder,
    videos: VideoFolders,
    table: Annotated[Path, typer.Option(metavar="TABLE.csv", help="table written by 'tables'")],
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="picture written by 'samples'")] = None,
    quality: Annotated[
        list[Path] | None, typer.Option(metavar="FILE...", help="quality.json of this run and of others")
    ] = None,
    more: Annotated[
        list[Path] | None, typer.Option(metavar="FILE...", help="further tables, pictures and claims.json to show")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="PAGE.html", help="page to write")],
) -> None:
    """One HTML page of a run: table, training checks, pictures, claims and videos."""
    from dawn.config import load

    settings = load(config)
    from eval.report.page import write_page
    from eval.report.tables import read_table
    from eval.studies.clip_list import read_names

    cells = read_table(table)
    write_page(
        settings,
        cells,
        read_names(clips),
        real,
        named_folders(videos),
        out,
        picture,
        more=more or [],
        quality=quality or [],
    )
