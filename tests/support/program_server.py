"""Server of :mod:`tests.support.programs`: ``python -m tests.support.program_server FOLDER``."""

# ruff: noqa: F401
from __future__ import annotations

import fcntl
import importlib
import os
import selectors
import shutil
import signal
import socket
import sys
import types
from pathlib import Path

PROGRAMS = {
    "dawn": ("dawn.cli", "main"),
    "dawn-eval": ("eval.cli", "main"),
    "dvc": ("dvc.cli", "main"),
    "snakemake": ("snakemake.cli", "main"),
}


def import_libraries() -> None:
    """Import the libraries of the project but nothing of the project itself, of which tests run changed copies."""
    import accelerate
    import av
    import dvc.cli
    import librosa
    import mediapipe
    import numpy as np
    import pandas
    import pydantic
    import safetensors.torch
    import scipy.signal
    import snakemake.cli
    import torch._dynamo
    import torch.utils.data
    import torch.utils.tensorboard
    import transformers.audio_utils
    import typer

    # The first beat track of a process compiles for seconds.
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    onsets = librosa.onset.onset_strength(y=librosa.effects.percussive(noise), sr=16000)
    librosa.beat.beat_track(onset_envelope=onsets, sr=16000)


def serve(folder: Path) -> None:
    """Fork a process for each connection, until standard input is closed."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # processes that ended are not kept
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        for source in (listener, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in selector.select()):
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                run(connection, folder)
            connection.close()
    shutil.rmtree(folder)


def run(connection: socket.socket, folder: Path) -> None:
    """Run the program that a client requests, with the client's streams, and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    request = bytearray()
    while len(request) < int.from_bytes(size, "big"):
        request += connection.recv(1 << 20)
    # The signal for a closed connection ends this process when its client has been killed.
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    name, place, *rest = map(os.fsdecode, bytes(request).split(b"\0"))
    arguments, variables = rest[: rest.index("")], rest[rest.index("") + 1 :]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(variable.split("=", 1) for variable in variables)
    sys.path[0:1] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = [name, *arguments]
    sys.executable = str(folder / "python")  # the workflow runs the programs beside it
    sys.modules["__main__"] = types.ModuleType("__main__")
    code = 1
    try:
        module, function = PROGRAMS[name]
        code = getattr(importlib.import_module(module), function)() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) & ~os.O_ASYNC)
        connection.sendall(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    import_libraries()
    serve(Path(sys.argv[1]))
