"""Exit codes and error lines that all programs of the project share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from dawn.errors import InputError
from dawn.version import VERSION

_OWN = ("dawn", "eval", "benchmarks")
INTERRUPTED = 130  # the exit code of shells, and typer's, after Ctrl-C


class ListOptionsCommand(TyperCommand):
    """A typer command whose list options take all values up to the next option.

    ``--scores a b --out c`` means ``--scores a --scores b --out c``; a list option without a value is empty. Only for
    commands without positional arguments after such an option.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat each list option before each of its values, then parse as typer does."""
        lists = {
            name
            for option in self.params
            if isinstance(option, TyperOption) and option.multiple
            for name in option.opts
        }
        repeated: list[str] = []
        option = None
        for argument in args:
            if argument.startswith("-"):
                option = argument if argument in lists else None
                if option is not None:
                    continue
            repeated += [argument] if option is None else [option, argument]
        return super().parse_args(ctx, repeated)


def version_option(name: str) -> Any:
    """Return the option ``--version`` of program `name`, which prints the version and exits."""

    def show(requested: bool) -> None:
        if requested:
            typer.echo(f"{name} {VERSION}")
            raise typer.Exit

    return typer.Option("--version", callback=show, is_eager=True, help="print the version")


def run_app(name: str, app: typer.Typer, arguments: Sequence[str] | None = None, *, extra: str) -> int:
    """Run the typer application of program `name` and return its exit code.

    extra: of pyproject.toml, which installs all packages that the program's commands import.
    The code is that of ``typer.Exit`` or an integer that the command returns, else 0; 2 with one line on standard error
    for wrong usage, for :class:`InputError` and for a package that is not installed; :data:`INTERRUPTED` after Ctrl-C.
    """
    try:
        result = typer.main.get_command(app)(args=arguments, prog_name=name, standalone_mode=False)
        if result == INTERRUPTED:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        problem = getattr(error, "format_message", error.__str__)().rstrip(".")
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else name
        print(f"{name}: {' '.join(problem.split())}; '{command} --help' shows usage", file=sys.stderr)
        return 2
    except InputError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", *_OWN):
            raise
        print(
            f"{name}: needs the package {package}, which is not installed; run pip install '.[{extra}]' in the "
            "project's folder",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; start the command again to continue", file=sys.stderr)
        return INTERRUPTED
