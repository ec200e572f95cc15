"""Folders of the files that a job of preparation has not finished."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from dawn.media.files import check_writable


@contextlib.contextmanager
def unfinished_files(folder: Path) -> Iterator[Path]:
    """Yield the empty `folder`, in which one job writes files that it then moves, and delete it at the end.

    What the job left there when it was killed is deleted first. Files in a folder that many jobs share would have to be
    searched for. Raises InputError as :func:`~dawn.media.files.check_writable` does.
    """
    check_writable(folder / "file")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
