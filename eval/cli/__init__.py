"""``dawn-eval``: metrics of any two folders of videos, and the evaluation steps of the workflow."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dawn.commands import run_app, version_option
from dawn.errors import InputError
from eval.cli import evaluation, figures, reports, studies


class _MeasureByDefault(TyperGroup):
    """Command group with default command: ``dawn-eval REAL FAKE`` is ``dawn-eval measure REAL FAKE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = {name for parameter in self.params for name in parameter.opts} | set(ctx.help_option_names)
        if args and args[0] not in options and args[0] not in self.commands:
            similar = difflib.get_close_matches(args[0], self.commands, n=1, cutoff=0.8)
            if similar and not Path(args[0]).exists():
                raise InputError(f"{args[0]}: neither a command nor a folder; did you mean {similar[0]!r}?")
            args = ["measure", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_MeasureByDefault, context_settings={"help_option_names": ["-h", "--help"]})
for part in (evaluation, studies, reports, figures):
    app.add_typer(part.app)


def _list(requested: bool) -> None:
    if requested:
        evaluation.list_metrics()
        raise typer.Exit


@app.callback(epilog="Example: dawn-eval real/ generated/ --preset offline --out report/")
def dawn_eval(
    *,
    listing: Annotated[
        bool, typer.Option("--list", callback=_list, is_eager=True, help="list metrics and presets, as 'list' does")
    ] = False,
    version: Annotated[bool, version_option("dawn-eval")] = False,
) -> None:
    """Talking-head metrics on any two folders of videos.

    'dawn-eval REAL FAKE' is short for 'dawn-eval measure REAL FAKE'.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 on success, 1 where ``verify`` finds a difference, 2 with one line on standard error for wrong usage or invalid
    input, 130 after Ctrl-C.
    """
    return run_app("dawn-eval", app, arguments, extra="eval")
