"""How a command ends: the same for every program of the project."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dawn.errors import InputError


def run_command(name: str, parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Call what the parsed arguments name as ``run_command``; the exit code of program `name`.

    0 on success; 2 with one line on standard error for input that cannot be used; 130 when interrupted.
    """
    options = parser.parse_args(arguments)
    try:
        options.run_command(options)
    except InputError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; start the command again to continue", file=sys.stderr)
        return 130
    return 0
