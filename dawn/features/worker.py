"""A process that makes the files of clips, one after the other, for another one that survives it.

Decoders and detectors are native code: on some file of thousands they crash, or never return. That must cost the clip,
not the shard.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.features.disk_space import of_full_disk
from dawn.weights import MissingWeights

Make = Callable[[Clip, Path], None]
Open = Callable[[], AbstractContextManager[Make]]  # what is loaded once; must pickle

_TRIES = 2  # a process may also be ended for want of memory, once
_START = 300  # seconds to load libraries and networks from a slow disk
_LOST = (errno.EIO, errno.ESTALE)  # the disk of the videos, not one of them


class Failed(InputError):
    """This clip cannot be made; the message is the reason."""


class Worker:
    """Runs ``open()`` and the function it gives in a process of its own, which is started anew where it ended."""

    def __init__(self, opener: Open) -> None:
        self._open = opener
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def make(self, clip: Clip, out: Path, seconds: float) -> None:
        """Make `out` of `clip` within `seconds`.

        Raises Failed for what is the clip's fault, crashing or hanging its process included, and InputError or
        MissingWeights for what is not.
        """
        reason = ""
        for _ in range(_TRIES):
            pipe = self._pipe or self._start()
            try:
                pipe.send((clip, out))
                if not pipe.poll(seconds):
                    self.close()
                    raise Failed(
                        f"{clip.source}: not done after {seconds:.0f} s; convert the video anew, or allow more with "
                        "prepare.patience"
                    )
                kind, text = pipe.recv()
            except (EOFError, OSError):
                reason = self._end()
                continue
            if kind == "done":
                return
            raise {"clip": Failed, "weights": MissingWeights, "all": InputError}[kind](text)
        if reason == "SIGKILL":
            raise Failed(f"{clip.source}: what reads it was killed {_TRIES} times, as when memory runs out; cut it")
        raise Failed(f"{clip.source}: crashed what reads it {_TRIES} times ({reason}); convert the video anew")

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = self._pipe = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._open), daemon=True)
        self._process.start()
        theirs.close()
        try:
            ready = self._pipe.poll(_START)
            kind, text = self._pipe.recv() if ready else ("all", f"not ready after {_START} s")
        except EOFError:
            kind, text = "all", self._end()
        if kind != "ready":
            self.close()
            raise MissingWeights(text) if kind == "weights" else InputError(f"preparation cannot start: {text}")
        return self._pipe

    def _end(self) -> str:
        """How the process ended."""
        assert self._process is not None
        self._process.join(5)
        code = self._process.exitcode
        self.close()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _serve(pipe: Connection, opener: Open) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends both
    try:
        with opener() as make:
            pipe.send(("ready", ""))
            while True:
                pipe.send(_outcome(make, *pipe.recv()))
    except EOFError:
        return
    except Exception as error:  # opening failed
        pipe.send(("weights" if isinstance(error, MissingWeights) else "all", str(error)))


def _outcome(make: Make, clip: Clip, out: Path) -> tuple[str, str]:
    try:
        make(clip, out)
    except MissingWeights as error:
        return "weights", str(error)
    except InputError as error:
        return "clip", str(error)
    except Exception as error:
        if of_full_disk(error):
            return "all", f"{out}: the disk is full; make room and start again"
        if getattr(error, "errno", None) in _LOST or isinstance(error, MemoryError):
            return "all", f"{clip.source}: {type(error).__name__}: {error}; start again when the machine is well"
        logging.getLogger(__name__).warning("%s\n%s", clip.source, traceback.format_exc())
        return "clip", f"{clip.source}: {type(error).__name__}: {error}; the log has more"
    return "done", ""


def _end_with_parent() -> None:
    """Nothing is made for a parent that was killed: its successor makes it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
