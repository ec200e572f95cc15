"""Files that are whole or absent: written aside, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the folder of `path`, with its suffix; renamed onto `path` on success, deleted on failure.

    The file gets the access mode of a newly created one (umask), whichever library writes it: safetensors writes 0600,
    which other users of a shared file system cannot read.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    aside.touch()
    mode = stat.S_IMODE(aside.stat().st_mode)
    aside.unlink()
    try:
        yield aside
        aside.chmod(mode)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
