"""The command ``dawn ship``. Its modules are imported when it runs: help of all commands imports this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(
    rich_help_panel="Weights and baselines",
    epilog="Example: dawn ship results/pretrain --lfg-start results/pretrain64",
)
def ship(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="folder of the trained run, below results")],
    *,
    lfg_start: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="run whose latent flow generator pretrained:lfg<resolution> will name"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="the folder in this package", help="folder to write")
    ] = None,
) -> None:
    """Write the pre-trained networks of this package from trained runs on the embedded corpus."""
    from dawn import pretrained
    from dawn.shipping.ship import ship, summary

    out = out or pretrained.folder()
    print(summary(ship(run, out, lfg_start), out))
