"""Pieces of code that each run in a process with the libraries of networks and nothing of this project imported.

They are forks of one interpreter, which imports the libraries once.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

from tests.support.repository import REPOSITORY

_SERVER = """
import json, os, sys, traceback

def answer(code):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            exec(code, {"__name__": "__main__"})
            error = ""
        except BaseException:
            error = traceback.format_exc()
        os.write(writer, json.dumps(error[-10000:]).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as stream:
        error = stream.read()
    os.wait()
    return error or json.dumps("the process crashed")

import torch, numpy, einops, pydantic, safetensors.torch, safetensors.numpy, yaml
for line in sys.stdin:
    print(answer(json.loads(line)), flush=True)
"""


def run(code: str) -> str:
    """Run code that prints nothing; returns the traceback of its exception, empty without one."""
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    print(json.dumps(code), file=server.stdin, flush=True)
    return json.loads(server.stdout.readline())


@functools.cache
def _server() -> subprocess.Popen[str]:
    """It ends with this process, which closes its standard input."""
    command = [sys.executable, "-c", _SERVER]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
