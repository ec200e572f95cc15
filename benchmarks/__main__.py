"""``python -m benchmarks NAME``: time, memory and accuracy on this machine, as tables in ``results/bench``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from dawn.choices import Device
from dawn.commands import ListOptionsCommand, run_app
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from dawn.media.files import atomic_path

app = typer.Typer(help="Benchmarks of the engine, of training, of preparation and of the metrics.")

ENGINE = ("pass", "where", "decode", "options", "video", "training", "stages")
# Metrics that need no downloaded weights: the columns of a run's Table 1 except those of SyncNet.
METRICS = "fd_efficientnet,fvd16,fvd32,csim_dlib,bas,blink,dr25_efficientnet,dr50_efficientnet"

Out = Annotated[Path, typer.Option(metavar="DIR", help="folder of the tables")]
People = Annotated[int, typer.Option(min=1, help="rendered clips")]
Side = Annotated[int, typer.Option(min=1, help="side of their frames, pixels")]
Clips = Annotated[Path | None, typer.Option(metavar="DIR", help="folder of real videos")]
OUT = Path("results/bench")


@app.command(cls=ListOptionsCommand, epilog="Example: python -m benchmarks engine --only pass video")
def engine(
    only: Annotated[
        list[str] | None, typer.Option(metavar="TABLE...", show_default="all", help=f"tables, of {', '.join(ENGINE)}")
    ] = None,
    frames: Annotated[str, typer.Option(metavar="N,...", help="lengths of passes")] = "40,80,160,200,400,800,1500",
    plain_to: Annotated[int, typer.Option(help="longest pass of the plain network")] = 400,
    videos: Annotated[str, typer.Option(metavar="N,...", help="lengths of whole videos")] = "40,200",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads")] = 2,
    repeat: Annotated[int, typer.Option(min=1, help="repetitions, of which the fastest counts")] = 2,
    demo: Annotated[Path, typer.Option(metavar="FILE", help="configuration of the training step")] = Path(
        "config/demo.yaml"
    ),
    stages: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="configuration of the stages (default: smoke, on CUDA crema128)"),
    ] = None,
    device: Annotated[Device, typer.Option(help="device; auto: the fastest")] = "auto",
    out: Out = OUT,
) -> None:
    """The engine against the plain reference network: passes, decoding, options, videos, training steps."""
    import pandas as pd

    from benchmarks.engine import TABLES, EngineOptions
    from benchmarks.plots import plot_pass, plot_where
    from dawn.devices import pick

    selected = only or ENGINE
    if unknown := [name for name in selected if name not in TABLES]:
        raise InputError(f"--only {unknown[0]}: no such table; there are {', '.join(TABLES)}")
    kind = cast(Device, pick(device).type)
    of_stages = stages or Path(f"config/{'crema128' if kind == 'cuda' else 'smoke'}.yaml")
    options = EngineOptions(_numbers(frames), plain_to, _numbers(videos), threads, repeat, demo, kind, of_stages)
    plots = {"pass": plot_pass, "where": plot_where}
    for name in (name for name in TABLES if name in selected):
        _write_table(TABLES[name](options), out / f"{name}.csv")
        if name in plots:
            with atomic_path(out / f"{name}.png") as aside:
                plots[name](pd.read_csv(out / f"{name}.csv"), aside)


@app.command()
def preparation(
    people: People = 16,
    side: Side = 128,
    clips: Clips = None,
    threads: Annotated[int, typer.Option(min=1, help="shards at once")] = 2,
    out: Out = OUT,
) -> None:
    """Preparing a folder of videos against the straightforward script."""
    from benchmarks.preparation import compare

    _write_table(compare(people, side, clips, threads), out / "preparation.csv")


@app.command("preparation-memory")
def preparation_memory(out: Out = OUT) -> None:
    """Peak memory of preparation for few and for a thousand clips."""
    from benchmarks.preparation import memory

    _write_table(memory(), out / "memory.csv")


@app.command()
def frames(
    side: Side = 128,
    seconds: Annotated[float, typer.Option(min=4, help="length of the clips")] = 100.0,
    out: Out = OUT,
) -> None:
    """Reading training samples from packed clips and from videos, and loading batches."""
    from benchmarks.frames import samples

    of_samples, of_batches = samples(side, seconds)
    _write_table(of_samples, out / f"frames-{side}.csv")
    _write_table(of_batches, out / f"batches-{side}.csv")


@app.command(cls=ListOptionsCommand, epilog="Example: python -m benchmarks corpus --clips 1000 10000 100000")
def corpus(
    clips: Annotated[
        list[int] | None, typer.Option(metavar="N...", show_default="1000 10000 100000", help="sizes of the corpus")
    ] = None,
    shards: Annotated[int, typer.Option(min=1, help="shards of the corpus")] = 512,
    out: Out = OUT,
) -> None:
    """Time and memory of what handles a whole corpus, by its number of clips."""
    from benchmarks.corpus import measure

    processes, files = measure(clips or (1000, 10_000, 100_000), shards)
    _write_table(processes, out / "corpus.csv")
    _write_table(files, out / "corpus-files.csv")


@app.command()
def extractors(people: People = 16, side: Side = 128, clips: Clips = None, out: Out = OUT) -> None:
    """Tools for landmarks and pose: error, blinks, milliseconds a frame, on one core."""
    from benchmarks.extractors import compare

    _write_table(compare(people, 5.0, side, clips), out / "extractors.csv")


@app.command(epilog="Example: python -m benchmarks operations config/hdtf128.yaml")
def operations(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="configuration file, such as config/hdtf128.yaml")],
    frames: Annotated[int, typer.Option(min=1, help="longest sample of A2V that is counted")] = 16,
    out: Out = OUT,
) -> None:
    """Operations of a training step, by stage, as this machine's CPU computes them."""
    from benchmarks.operations import by_stage
    from dawn.config import load

    _write_table(by_stage(load(config), frames), out / "operations.csv")


@app.command(cls=ListOptionsCommand, epilog="Example: python -m benchmarks frechet --rows 200 4000")
def frechet(
    dimension: Annotated[int, typer.Option(help="dimension of the features")] = 2048,
    rows: Annotated[
        list[int] | None, typer.Option(metavar="N...", show_default="200 4000", help="rows of a set")
    ] = None,
    moments: Annotated[int, typer.Option(help="rows of the moments whose memory is measured")] = 100_000,
    out: Out = OUT,
) -> None:
    """The Fréchet distance against the matrix square root; memory of moments."""
    from benchmarks.frechet import compare

    _write_lines(compare(dimension, rows or (200, 4000), moments), out / "frechet.csv")


@app.command()
def suite(
    real: Annotated[Path, typer.Argument(metavar="REAL", help="folder of the real videos")],
    fakes: Annotated[list[Path], typer.Argument(metavar="FAKE...", help="folders of generated videos")],
    metrics: Annotated[str, typer.Option(metavar="NAME,...", help="metrics to compute")] = METRICS,
    syncnet: Annotated[Path | None, typer.Option(metavar="FILE", help="SyncNet weights of the _own metrics")] = None,
    out: Out = OUT,
) -> None:
    """All metrics together, with their shared cache, against each metric alone."""
    from benchmarks.suite import suite as time_suite

    _write_lines(time_suite(real, fakes, metrics.split(","), syncnet), out / "suite.csv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark and return its exit code: 0 on success, 2 with one line on standard error for invalid input."""
    return run_app("benchmarks", app, arguments, extra="dev")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{text}: expected comma-separated integers, such as 40,200") from None


def _write_table(table: Any, out: Path) -> None:
    """Write a data frame as CSV and print it."""
    with atomic_path(out) as aside:
        table.to_csv(aside, index=False, float_format="%.5g")
    print(f"\n{out}\n{table.to_string(index=False, float_format='%.4g', na_rep='')}", flush=True)


def _write_lines(lines: Sequence[Any], out: Path) -> None:
    """Write dataclasses as CSV, one row each, and print their numbers."""
    write_rows(out, [field.name for field in fields(lines[0])], (astuple(line) for line in lines))
    for line in lines:
        numbers = (f"{key} {value:.3g}" for key, value in asdict(line).items() if isinstance(value, float | int))
        print(", ".join([line.what, *numbers]))


if __name__ == "__main__":
    sys.exit(main())
