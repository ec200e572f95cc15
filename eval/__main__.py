"""``python -m eval``: metrics on folders of videos, tables, pictures, the page of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dawn.commands import run_command
from dawn.comparisons import ROWS, family_of
from dawn.config import METRICS, load
from dawn.errors import InputError
from dawn.paths import Paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 with one line on standard error for input that cannot be used."""
    return run_command("eval", _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="eval", description="Talking-head metrics on folders of videos.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    clips_help = "a manifest, a CSV file with a column 'clip', or one clip name a line"

    fit = commands.add_parser("fit-syncnet", help="train the lip-sync judge on the training split")
    _config(fit)
    fit.add_argument("--dataset", type=Path, required=True, help="manifest; its training split is used")
    fit.add_argument("--features", type=Path, required=True, help="folder of the clips' feature files")
    fit.add_argument("--clips", type=Path, required=True, help="folder of the clips")
    fit.add_argument("--out", type=Path, required=True, metavar="WEIGHTS.safetensors")
    fit.set_defaults(run_command=_fit)

    measure = commands.add_parser("measure", help="measure one folder of videos against the true ones")
    _config(measure)
    measure.add_argument("--real", type=Path, required=True, help="folder of the true videos, <clip>.mp4")
    measure.add_argument("--fake", type=Path, help="folder of the generated videos (not needed for method gt)")
    measure.add_argument("--clips", type=Path, required=True, help=clips_help)
    measure.add_argument("--syncnet", type=Path, required=True, help="weights made by fit-syncnet")
    measure.add_argument("--method", required=True, help="name of the method; gt measures the true videos")
    measure.add_argument("--cache", type=Path, help="folder of the videos' features (default: the user's)")
    measure.add_argument(
        "--metrics", nargs="+", choices=METRICS, default=METRICS, metavar="METRIC", help="these alone (default: all)"
    )
    measure.add_argument("--out", type=Path, required=True, help="folder to write")
    measure.set_defaults(run_command=_measure)

    tables = commands.add_parser("tables", help="scores of several methods to one table, the paper's beside them")
    _config(tables)
    _named(tables, "--scores", "output folders of measure, in the order of the rows")
    tables.add_argument("--out", type=Path, required=True, help="path without suffix; .csv .md .tex .json are written")
    tables.set_defaults(run_command=_tables)

    sweep = commands.add_parser("sweep", help="the runs of a sweep as a table and a plot")
    _config(sweep)
    sweep.add_argument("sweep", type=Path, metavar="SWEEP.csv", help="columns: configuration keys, name, method")
    sweep.add_argument(
        "--out", type=Path, required=True, help="path without suffix; .csv .md .tex .json .png are written"
    )
    sweep.set_defaults(run_command=_sweep)

    table = commands.add_parser("table", help="one of the paper's Tables 2 to 8, the paper's rows beside ours")
    _config(table)
    table.add_argument("table", choices=list(ROWS))
    table.add_argument("--sweeps", type=Path, default=Path("config/sweeps"), help="folder (default: %(default)s)")
    table.add_argument("--out", type=Path, required=True, help="path without suffix; .csv .md .tex .json are written")
    table.set_defaults(run_command=_table)

    claims = commands.add_parser("claims", help="each claim of the paper, tested on our numbers")
    _config(claims)
    claims.add_argument("--sweeps", type=Path, default=Path("config/sweeps"), help="folder (default: %(default)s)")
    claims.add_argument("--rivals", nargs="*", default=[], metavar="NAME", help="baselines that were measured")
    claims.add_argument("--cache", type=Path, help="folder of the videos' features (default: the user's)")
    claims.add_argument("--out", type=Path, required=True, help="path without suffix; .md and .json are written")
    claims.set_defaults(run_command=_claims)

    quality = commands.add_parser("quality", help="did the networks learn: each measure with its baseline")
    _config(quality)
    quality.add_argument("--clips", type=Path, required=True, help=clips_help)
    quality.add_argument("--truth", type=Path, required=True, help="folder of the true clips' features")
    quality.add_argument("--commanded", type=Path, required=True, help="folder of the commanded videos")
    quality.add_argument("--reconstruction", type=Path, required=True, help="what dawn reconstruct wrote")
    _named(quality, "--scores", "output folders of measure: dawn, other_speech and still")
    quality.add_argument("--out", type=Path, required=True, metavar="QUALITY.json")
    quality.set_defaults(run_command=_quality)

    corpus = commands.add_parser(
        "corpus", help="what a prepared corpus is: counts, ranges, offsets, rejects, a picture"
    )
    _config(corpus)
    corpus.add_argument("--syncnet", type=Path, help="a SyncNet of the corpus, for the offsets of its sound")
    corpus.add_argument("--out", type=Path, required=True, metavar="CORPUS.md", help="and .json and .png beside it")
    corpus.set_defaults(run_command=_corpus)

    reenactment = commands.add_parser("reenactment", help="does a portrait move as the person who drives it")
    _config(reenactment)
    reenactment.add_argument("--clips", type=Path, required=True, help=clips_help)
    reenactment.add_argument("--videos", type=Path, required=True, help="folder of the videos 'reenact'")
    reenactment.add_argument("--out", type=Path, required=True, metavar="REENACTMENT.json", help="and .csv beside it")
    reenactment.set_defaults(run_command=_reenactment)

    samples = commands.add_parser("samples", help="picture of true and generated frames over time")
    samples.add_argument("--clips", type=Path, required=True, help=clips_help)
    samples.add_argument("--real", type=Path, required=True, help="folder of the true videos")
    _named(samples, "--videos", "folders of generated videos")
    samples.add_argument("--count", type=int, default=4, help="clips shown (default: %(default)s)")
    samples.add_argument("--caption", default="", help="what the picture says below, before the number of clips")
    samples.add_argument("--out", type=Path, required=True, metavar="PICTURE.png", help="and .csv beside it")
    samples.set_defaults(run_command=_samples)

    perturb = commands.add_parser("perturb", help="copies of videos with known damage of known strength")
    perturb.add_argument("perturbation", help="blur, reencode, dim, swap, freeze, shuffle, pitch or delay")
    perturb.add_argument("--strength", type=float, required=True, help="0: none; units: docs/explanation/evaluation.md")
    perturb.add_argument("--clips", type=Path, required=True, help=clips_help)
    perturb.add_argument("--videos", type=Path, required=True, help="folder of the videos, <clip>.mp4")
    perturb.add_argument("--out", type=Path, required=True, help="folder to write")
    perturb.set_defaults(run_command=_perturb)

    sensitivity = commands.add_parser("sensitivity", help="which metric moves under which damage, as CSV and picture")
    _config(sensitivity)
    sensitivity.add_argument("--clips", type=Path, required=True, help=clips_help)
    sensitivity.add_argument("--real", type=Path, required=True, help="folder of the true videos, which are damaged")
    sensitivity.add_argument("--syncnet", type=Path, required=True, help="weights made by fit-syncnet")
    sensitivity.add_argument("--count", type=int, default=8, help="clips used (default: %(default)s)")
    sensitivity.add_argument("--out", type=Path, required=True, metavar="TABLE.csv")
    sensitivity.add_argument("--picture", type=Path, required=True, metavar="PICTURE.png")
    sensitivity.set_defaults(run_command=_sensitivity)

    reenacted = commands.add_parser("reenacted", help="picture of drivers and the portraits that follow (Figure 4)")
    reenacted.add_argument("--report", type=Path, required=True, help="what the command reenactment wrote")
    reenacted.add_argument("--real", type=Path, required=True, help="folder of the true videos")
    reenacted.add_argument("--videos", type=Path, required=True, help="folder of the videos 'reenact'")
    reenacted.add_argument("--out", type=Path, required=True, metavar="PICTURE.png", help="and .csv beside it")
    reenacted.set_defaults(run_command=_reenacted)

    styles = commands.add_parser("styles", help="picture of portraits in other styles that talk (Figure 3)")
    styles.add_argument("--clips", type=Path, required=True, help=clips_help)
    styles.add_argument("--videos", type=Path, required=True, help="folder of the videos 'styled'")
    styles.add_argument("--plain", type=Path, required=True, help="folder of the videos 'dawn'")
    styles.add_argument("--out", type=Path, required=True, metavar="PICTURE.png", help="and .csv beside it")
    styles.set_defaults(run_command=_styles)

    cost = commands.add_parser("time-cost", help="picture of what each strategy costs (Figure 5)")
    cost.add_argument("--timing", type=Path, required=True, help="what 'dawn time-strategies' wrote")
    cost.add_argument("--out", type=Path, required=True, metavar="PICTURE.png", help="and .csv beside it")
    cost.set_defaults(run_command=_time_cost)

    traces = commands.add_parser("traces", help="pose and blink over time with the speech (Figure 6)")
    _config(traces)
    traces.add_argument("--clips", type=Path, required=True, help=clips_help)
    traces.add_argument("--real", type=Path, required=True, help="folder of the true videos")
    _named(traces, "--videos", "folders of generated videos")
    traces.add_argument("--out", type=Path, required=True, metavar="PICTURE.png", help="and .csv beside it")
    traces.set_defaults(run_command=_traces)

    page = commands.add_parser("page", help="one HTML page of a run")
    _config(page)
    page.add_argument("--clips", type=Path, required=True, help=clips_help)
    page.add_argument("--real", type=Path, required=True, help="folder of the true videos")
    _named(page, "--videos", "folders of generated videos")
    page.add_argument("--table", type=Path, required=True, metavar="TABLE.csv", help="what the command tables wrote")
    page.add_argument("--picture", type=Path, help="what the command samples wrote")
    page.add_argument("--more", type=Path, nargs="*", default=[], metavar="FILE", help="tables, pictures, claims.json")
    page.add_argument("--out", type=Path, required=True, metavar="PAGE.html")
    page.set_defaults(run_command=_page)
    return parser


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("config/demo.yaml"), help="default: %(default)s")


def _named(parser: argparse.ArgumentParser, flag: str, text: str) -> None:
    parser.add_argument(flag, nargs="+", required=True, metavar="NAME=DIR", help=text)


def _pairs(items: Sequence[str]) -> dict[str, Path]:
    pairs: dict[str, Path] = {}
    for item in items:
        name, equals, folder = item.partition("=")
        if not (name and equals and folder):
            raise InputError(f"{item!r}: expected NAME=DIR")
        if name in pairs:
            raise InputError(f"{item!r}: {name} is given twice")
        pairs[name] = Path(folder)
    return pairs


# Heavy libraries are imported by the command that needs them, so that help and errors answer at once.
def _fit(options: argparse.Namespace) -> None:
    config = load(options.config)
    from dawn.corpora.manifest import read_manifest
    from eval.studies.train_syncnet import fit

    names = [clip.clip for clip in read_manifest(options.dataset) if clip.split == "train"]
    fit(config.evaluate.syncnet, names, options.clips, options.features, options.out, config.seed)


def _measure(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.extract.cache import Cache, default_folder
    from eval.extract.clip_list import read_names
    from eval.studies.run_scores import TRUE, measure

    if options.fake is None and options.method != TRUE:
        raise InputError(f"--fake is missing: where are the videos of {options.method!r}?")
    measure(
        config,
        real=options.real,
        fake=options.fake or options.real,
        names=read_names(options.clips),
        syncnet=options.syncnet,
        method=options.method,
        out=options.out,
        cache=Cache(options.cache or default_folder()),
        metrics=options.metrics,
    )


def _tables(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.report.tables import write_tables

    write_tables(config, _pairs(options.scores), options.out)


def _sweep(options: argparse.Namespace) -> None:
    from eval.report.sweep import write_sweep

    family = family_of(load(options.config), options.sweep.parent)
    write_sweep(family.runs, family.rows(options.sweep.stem), options.out)


def _table(options: argparse.Namespace) -> None:
    from eval.report.paper_tables import write_comparison

    write_comparison(family_of(load(options.config), options.sweeps), options.table, options.out)


def _claims(options: argparse.Namespace) -> None:
    from eval.extract.cache import Cache, default_folder
    from eval.report.claims import write_claims

    family = family_of(load(options.config), options.sweeps)
    write_claims(family, options.rivals, options.out, Cache(options.cache or default_folder()))


def _quality(options: argparse.Namespace) -> None:
    config = load(options.config)
    from dawn.provenance import write_json
    from eval.extract.clip_list import read_names
    from eval.studies.learned import quality

    report = quality(
        config,
        read_names(options.clips),
        truth=options.truth,
        commanded=options.commanded,
        reconstruction=options.reconstruction,
        scores={name: folder / "scores.json" for name, folder in _pairs(options.scores).items()},
    )
    write_json(options.out, report)


def _corpus(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.studies.corpus_report import report

    report(config, Paths.of(config), options.syncnet, options.out)


def _reenactment(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.extract.clip_list import read_names
    from eval.studies.reenactment import measure_reenactment

    measure_reenactment(config, read_names(options.clips), options.videos, options.out)


def _samples(options: argparse.Namespace) -> None:
    from eval.extract.clip_list import read_names
    from eval.figures.frames import samples

    samples(
        read_names(options.clips),
        options.real,
        _pairs(options.videos),
        options.out,
        clips=options.count,
        caption=options.caption,
    )


def _reenacted(options: argparse.Namespace) -> None:
    from dawn.provenance import read_json
    from eval.figures.frames import reenacted

    traces = options.report.with_suffix(".csv")
    reenacted(read_json(options.report), traces, options.real, options.videos, options.out)


def _styles(options: argparse.Namespace) -> None:
    from eval.extract.clip_list import read_names
    from eval.figures.frames import styles

    styles(read_names(options.clips), options.videos, options.plain, options.out)


def _time_cost(options: argparse.Namespace) -> None:
    from dawn.provenance import read_json
    from eval.figures.time_cost import time_cost

    time_cost(read_json(options.timing), options.out)


def _traces(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.extract.clip_list import read_names
    from eval.figures.traces import ablation

    ablation(config, read_names(options.clips), options.real, _pairs(options.videos), options.out)


def _perturb(options: argparse.Namespace) -> None:
    from eval.extract.clip_list import read_names
    from eval.studies.perturb import perturb_folder

    perturb_folder(options.perturbation, options.strength, options.videos, read_names(options.clips), options.out)


def _sensitivity(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.extract.clip_list import read_names
    from eval.studies.sensitivity import draw, sensitivity, write_curves

    curves = sensitivity(config, read_names(options.clips), options.real, options.syncnet, clips=options.count)
    write_curves(curves, options.out)
    draw(curves, options.picture)


def _page(options: argparse.Namespace) -> None:
    config = load(options.config)
    from eval.extract.clip_list import read_names
    from eval.report.page import write_page
    from eval.report.tables import read_figures

    write_page(
        config,
        read_figures(options.table),
        read_names(options.clips),
        options.real,
        _pairs(options.videos),
        options.out,
        options.picture,
        options.more,
    )


if __name__ == "__main__":
    sys.exit(main())
