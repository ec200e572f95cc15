"""Process that writes the files of clips, one after the other, for a parent that survives its crashes.

Decoders and detectors are native code: for some of thousands of files they crash or never return. Such a fault rejects
the clip and does not end the shard.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import signal
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.media.files import is_disk_full
from dawn.processes import end_with_parent
from dawn.weights import MissingWeights

WriteClip = Callable[[Clip, Path], None]
OpenWriter = Callable[[], AbstractContextManager[WriteClip]]  # loads libraries and networks once; must pickle

CONTEXT = multiprocessing.get_context("spawn")  # a fork of a process with threads may deadlock

_TRIES = 2  # a process may also have been killed once for lack of memory
_START = 300  # seconds to load libraries and networks from a slow disk
_OF_THE_MACHINE = ("MemoryError", "OutOfMemoryError", "AcceleratorError")  # the latter two of torch, on a GPU
_DISK_LOST = (errno.EIO, errno.ESTALE)  # faults of the disk, not of one video


class ClipRejected(InputError):
    """Clip that cannot be written; the message is the reason."""


class Worker:
    """Separate process that runs ``open_writer()`` and the function that it yields; restarted when it ends."""

    def __init__(self, open_writer: OpenWriter) -> None:
        self._open_writer = open_writer
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def write(self, clip: Clip, out: Path, seconds: float) -> None:
        """Write the file `out` of `clip` within `seconds`.

        Raises ClipRejected for faults of the clip, including a crash or hang of the process, and InputError or
        MissingWeights for all others.
        """
        reason = ""
        for _ in range(_TRIES):
            pipe = self._pipe or self._start()
            try:
                pipe.send((clip, out))
                if not pipe.poll(seconds):
                    self.close()
                    raise ClipRejected(
                        f"{clip.source}: not done after {seconds:.0f} s; convert the video anew, or allow more with "
                        "prepare.patience"
                    )
                kind, text = pipe.recv()
            except (EOFError, OSError):
                reason = self._exit_reason()
                continue
            if kind == "done":
                return
            raise {"clip": ClipRejected, "weights": MissingWeights, "all": InputError}[kind](text)
        if reason == "SIGKILL":
            raise ClipRejected(
                f"{clip.source}: its process was killed {_TRIES} times, as when memory runs out; cut the video"
            )
        raise ClipRejected(f"{clip.source}: its process crashed {_TRIES} times ({reason}); convert the video anew")

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
        self._pipe, child_end = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_serve, args=(child_end, self._open_writer), daemon=True)
        self._process.start()
        child_end.close()
        try:
            ready = self._pipe.poll(_START)
            kind, text = self._pipe.recv() if ready else ("all", f"not ready after {_START} s")
        except EOFError:
            kind, text = "all", self._exit_reason()
        if kind != "ready":
            self.close()
            raise MissingWeights(text) if kind == "weights" else InputError(f"preparation cannot start: {text}")
        return self._pipe

    def _exit_reason(self) -> str:
        """Return the name of the signal that ended the process, or its exit code."""
        assert self._process is not None
        self._process.join(5)
        code = self._process.exitcode
        self.close()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _serve(pipe: Connection, open_writer: OpenWriter) -> None:
    end_with_parent()  # the next run of the parent writes the clip
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends both
    try:
        with open_writer() as write:
            pipe.send(("ready", ""))
            while True:
                pipe.send(_outcome(write, *pipe.recv()))
    except EOFError:
        return
    except Exception as error:  # opening failed
        pipe.send(("weights" if isinstance(error, MissingWeights) else "all", str(error)))


def _outcome(write: WriteClip, clip: Clip, out: Path) -> tuple[str, str]:
    try:
        write(clip, out)
    except MissingWeights as error:
        return "weights", str(error)
    except InputError as error:
        return "clip", str(error)
    except Exception as error:
        if is_disk_full(error):
            return "all", f"{out}: the disk is full; make room and start again"
        if getattr(error, "errno", None) in _DISK_LOST or type(error).__name__ in _OF_THE_MACHINE:
            return "all", f"{clip.source}: {type(error).__name__}: {error}; start again once the machine has recovered"
        logging.getLogger(__name__).warning("%s\n%s", clip.source, traceback.format_exc())
        return "clip", f"{clip.source}: {type(error).__name__}: {error}; the log has more"
    return "done", ""
