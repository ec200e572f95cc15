"""The folders that code lists."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_recordings: list[list[Path]] = []


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if _recordings and event in ("os.listdir", "os.scandir") and isinstance(arguments[0], str | os.PathLike):
        for recording in _recordings:
            recording.append(Path(arguments[0]))


@functools.cache
def _install() -> None:
    sys.addaudithook(_record)  # which cannot be removed


@contextlib.contextmanager
def listed_folders() -> Iterator[list[Path]]:
    """Yield a list to which every folder is added that this process lists by its path, until the context ends."""
    _install()
    recording: list[Path] = []
    _recordings.append(recording)
    try:
        yield recording
    finally:
        _recordings.pop()
