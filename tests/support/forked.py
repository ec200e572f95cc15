"""Child processes that tests kill, forked from a server that has already imported the libraries."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.forked_libraries"])


def start(function: Callable[..., object], *arguments: Any, stderr: str | os.PathLike[str] = os.devnull) -> BaseProcess:
    """Call a module-level `function` in a process of its own, whose standard error is written to the file `stderr`.

    The process exits with 0, or with 1 when the function raises; `kill()` sends SIGKILL and gives exit code -9.
    """
    process = CONTEXT.Process(target=_run, args=(function, arguments, os.fspath(stderr)))
    process.start()
    return process


def run(function: Callable[..., object], *arguments: Any) -> None:
    """:func:`start`, and wait for its success."""
    process = start(function, *arguments)
    process.join()
    assert process.exitcode == 0, f"exit code {process.exitcode}"


def _run(function: Callable[..., object], arguments: tuple[Any, ...], stderr: str) -> None:
    with open(stderr, "wb") as stream:
        os.dup2(stream.fileno(), 2)
    function(*arguments)
