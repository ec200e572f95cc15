"""Commands of the workflow that draw figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawn.commands import ListOptionsCommand
from eval.cli.options import (
    DEFAULT_CONFIG,
    ClipList,
    ConfigFile,
    Picture,
    RealFolder,
    VideoFolders,
    named_folders,
)

app = typer.Typer()
_PANEL = "Figures (steps of the workflow)"


# Heavy libraries are imported by the command that needs them, so that help and errors are immediate.
@app.command(
    "samples",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval samples --clips results/demo/test.csv --real data/demo/64/clips --videos "
    "dawn=results/demo/videos --out samples.png",
)
def samples(
    *,
    clips: ClipList,
    real: RealFolder,
    videos: VideoFolders,
    count: Annotated[int, typer.Option(help="clips shown")] = 4,
    caption: Annotated[str, typer.Option(help="caption, followed by the number of clips", show_default=False)] = "",
    out: Picture,
) -> None:
    """True and generated frames over time (Figure 2)."""
    from eval.figures.frames import samples as draw
    from eval.studies.clip_list import read_names

    draw(read_names(clips), real, named_folders(videos), out, clips=count, caption=caption)


@app.command(
    "reenacted",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval reenacted --report results/demo/reenactment.json --real data/demo/64/clips "
    "--videos results/demo/controls/reenact --out figure4.png",
)
def reenacted(
    *,
    report: Annotated[Path, typer.Option(metavar="REENACTMENT.json", help="report written by 'reenactment'")],
    real: RealFolder,
    videos: Annotated[Path, typer.Option(metavar="DIR", help="folder of the videos of 'reenact'")],
    out: Picture,
) -> None:
    """Driving clips and the portraits that they drive (Figure 4)."""
    from dawn.media.json_files import read_json
    from eval.figures.frames import reenacted as draw

    draw(read_json(report), report.with_suffix(".csv"), real, videos, out)


@app.command(
    "styles",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval styles --clips results/demo/test.csv --videos results/demo/controls/styled "
    "--plain results/demo/videos --out figure3.png",
)
def styles(
    *,
    clips: ClipList,
    videos: Annotated[Path, typer.Option(metavar="DIR", help="folder of the videos of 'styled'")],
    plain: Annotated[Path, typer.Option(metavar="DIR", help="folder of the videos of 'dawn'")],
    out: Picture,
) -> None:
    """Talking portraits in other styles (Figure 3)."""
    from eval.figures.frames import styles as draw
    from eval.studies.clip_list import read_names

    draw(read_names(clips), videos, plain, out)


@app.command(
    "time-cost",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval time-cost --timing results/demo/timing.json --out figure5.png",
)
def time_cost(
    *,
    timing: Annotated[Path, typer.Option(metavar="FILE", help="timing.json of 'dawn time-strategies'")],
    out: Picture,
) -> None:
    """Generation time of each strategy (Figure 5)."""
    from dawn.media.json_files import read_json
    from eval.figures.time_cost import draw_time_cost

    draw_time_cost(read_json(timing), out)


@app.command(
    "traces",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval traces --clips results/demo/test.csv --real data/demo/64/clips --videos "
    "dawn=results/demo/videos --out figure6.png",
)
def traces(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    clips: ClipList,
    real: RealFolder,
    videos: VideoFolders,
    out: Picture,
) -> None:
    """Head pose and blink over time with the speech (Figure 6)."""
    from dawn.config import load

    settings = load(config)
    from eval.figures.traces import draw_traces
    from eval.studies.clip_list import read_names
    from eval.studies.motion_traces import write_traces

    names, folders = read_names(clips), {"gt": real, **named_folders(videos)}
    write_traces(settings, names, folders, out.with_suffix(".csv"))
    draw_traces(settings, names, list(folders), out.with_suffix(".csv"), real, out)
