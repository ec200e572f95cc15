"""Programs of the project for tests that run many: forks of one process that has imported the libraries.

A job of a tiny workflow computes for a second and imports libraries for five. The programs here have the arguments,
environment, streams and exit codes of the installed ones, and run the code of ``PYTHONPATH``; a program that is killed
ends at once.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.program_server import PROGRAMS
from tests.support.repository import REPOSITORY

# Runs for each start of a program, so it imports little: -S skips the packages, -I the environment.
_CLIENT = """#!{python} -IS
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
words = [{name!r}, os.getcwd(), *sys.argv[1:], "", *(f"{{key}}={{value}}" for key, value in os.environ.items())]
request = b"\\0".join(map(os.fsencode, words))
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
os._exit(int(server.recv(4) or b"70"))
"""


@functools.cache
def _start() -> tuple[Path, subprocess.Popen[bytes]]:
    """Folder of the programs, and their server, which ends with this process: that closes its standard input."""
    place = Path(tempfile.mkdtemp(prefix="programs-"))  # a short path: that of a socket has 107 characters at most
    server = [sys.executable, "-m", "tests.support.program_server", str(place)]
    process = subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    for name in PROGRAMS:
        _write_program(place / name, _CLIENT.format(python=sys.executable, address=str(place / "socket"), name=name))
    _write_program(place / "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    return place, process


def environment(root: Path) -> dict[str, str]:
    """Variables with which commands run these programs on the code of the copy `root`."""
    folder, _ = _start()
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(root)}


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
