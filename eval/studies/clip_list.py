"""Lists of clips: a manifest, any CSV file with a column ``clip``, or one name per line."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from dawn.errors import InputError
from dawn.paths import clip_file


def read_names(path: Path) -> list[str]:
    """Read clip names from a CSV file's column ``clip``, or one per line.

    Raises InputError for an unreadable file, an empty list or a duplicate.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error.__class__.__name__}); give a manifest or a list of clips"
        ) from None
    rows = list(csv.reader(lines))
    header = rows[0] if rows else []
    if "clip" in header:
        column = header.index("clip")
        names = [row[column] for row in rows[1:] if len(row) > column]
    elif len(header) > 1:
        raise InputError(f"{path}: has no column 'clip'; columns are {', '.join(header)}")
    else:
        names = [line.strip() for line in lines]
    if not names:
        raise InputError(f"{path}: contains no clip names")
    duplicate = next((name for name, count in Counter(names).items() if count > 1), None)
    if duplicate is not None:
        raise InputError(f"{path}: clip {duplicate!r} is listed twice")
    return names


def video_path(folder: Path, name: str) -> Path:
    """Return ``<folder>/<name>.mp4``, or its place in the clips of a corpus (:func:`dawn.paths.clip_file`).

    Raises InputError when neither exists.
    """
    path, of_corpus = folder / f"{name}.mp4", clip_file(folder, name, ".mp4")
    if of_corpus.is_file():
        return of_corpus
    if not path.is_file():
        raise InputError(f"{path}: missing; every listed clip needs a video in this folder")
    return path
