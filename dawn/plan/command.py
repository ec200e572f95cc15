"""The command ``dawn plan``. Its modules are imported when it runs: help of all commands imports this one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from dawn.errors import InputError

app = typer.Typer()


@app.command(epilog="Example: dawn plan config/hdtf128.yaml --card h100 --dollars 2.5")
def plan(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="configuration file, such as config/hdtf128.yaml")],
    *,
    card: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="the measured one",
            help="h200, h100, a100, l40s, a40, 4090 or 3090; several, each with --card, are compared",
        ),
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that divide each batch")] = 1,
    measured: Annotated[
        Path | None, typer.Option(metavar="FILE", help="your card's steps: stages.csv of python -m benchmarks engine")
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, show_default="as prepared or published", help="training clips")
    ] = None,
    frames: Annotated[float | None, typer.Option(min=1, help="mean frames of a clip")] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.001, help="hours of all training clips, instead of --frames")
    ] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="price of a GPU hour")] = None,
    json: Annotated[bool, typer.Option("--json", help="print the plan as JSON")] = False,
) -> None:
    """Print what a run takes, stage by stage: GPU hours, core hours, data, memory, disk space, dollars."""
    from dawn.config import load
    from dawn.paths import Paths
    from dawn.plan.cards import card_named, card_of
    from dawn.plan.corpus import corpus_size
    from dawn.plan.estimate import make_plan
    from dawn.plan.measurements import measurements, read_steps
    from dawn.plan.report import report

    for name, value in {"--frames": frames, "--hours": hours, "--dollars": dollars}.items():
        if value is not None and not math.isfinite(value):
            raise InputError(f"{name} {value}: give a finite number")
    settings = load(config)
    own = () if measured is None else read_steps(measured)
    chosen = [card_named(name) for name in card or ()] or [card_of((own or measurements().steps)[0].device)]
    corpus = corpus_size(settings, Paths.of(settings), clips, frames, hours)
    print(report([make_plan(settings, corpus, one, gpus, dollars, own) for one in chosen], as_json=json))
