"""Manifest of a corpus and list of its rejected clips: two small CSV files, validated on every read."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from dawn.errors import InputError
from dawn.media.files import atomic_path

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Clip:
    """One row of `clips.csv`."""

    clip: str  # file-safe name, unique in the corpus
    identity: str  # name of the person
    split: str  # train or test; an identity is in both only if the publisher's list of the corpus has it so
    frames: int  # at 25 a second
    seconds: float
    source: str  # file that the clip is cut or rendered from, relative to the corpus' folder of sources
    sha256: str  # of that file


@dataclass(frozen=True)
class Rejected:
    """One row of `rejected.csv`: a clip or source that a stage of preparation could not use."""

    clip: str
    stage: str
    reason: str


def read_manifest(path: str | os.PathLike[str]) -> list[Clip]:
    """Read and validate all rows of a manifest. Raises InputError naming file, row and column of the first fault."""
    clips: list[Clip] = []
    names: set[str] = set()
    for row, cells in _rows(path, [f.name for f in fields(Clip)]):
        clip = Clip(
            clip=_matching(path, row, "clip", cells[0], r"[A-Za-z0-9][A-Za-z0-9._-]*", "a file-safe name"),
            identity=_matching(path, row, "identity", cells[1], r".+", "a name"),
            split=_matching(path, row, "split", cells[2], "|".join(SPLITS), "train or test"),
            frames=int(_matching(path, row, "frames", cells[3], r"[1-9][0-9]*", "a positive whole number")),
            seconds=_positive(path, row, "seconds", cells[4]),
            source=_matching(path, row, "source", cells[5], r".+", "a path"),
            sha256=_matching(path, row, "sha256", cells[6], r"[0-9a-f]{64}", "64 hexadecimal digits"),
        )
        if clip.clip in names:
            raise InputError(f"{path}: row {row}, column clip: {clip.clip!r} appears twice; names must be unique")
        names.add(clip.clip)
        clips.append(clip)
    return clips


def write_manifest(path: str | os.PathLike[str], clips: Iterable[Clip]) -> None:
    """Write a manifest atomically; rows keep their order."""
    _write(path, [f.name for f in fields(Clip)], [astuple(clip) for clip in clips])


def read_rejected(path: str | os.PathLike[str]) -> list[Rejected]:
    """Read all rows of a list of rejects. Raises InputError when the columns of the file differ."""
    return [Rejected(*cells) for _, cells in _rows(path, [f.name for f in fields(Rejected)])]


def write_rejected(path: str | os.PathLike[str], rejected: Iterable[Rejected]) -> None:
    """Write a list of rejects atomically; an empty list gives only the header."""
    _write(path, [f.name for f in fields(Rejected)], [astuple(item) for item in rejected])


def _rows(path: str | os.PathLike[str], columns: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Read the data rows with their numbers (the header is row 1), each with exactly as many cells as `columns`."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error.__class__.__name__})") from None
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = rows[0] if rows else []
    if header != list(columns):
        wrong = next((name for name in columns if name not in header), None)
        hint = f"column {wrong} is missing" if wrong else f"columns are {', '.join(header)}"
        raise InputError(f"{path}: row 1: {hint}; expected {', '.join(columns)}")
    for number, cells in enumerate(rows[1:], start=2):
        if len(cells) != len(columns):
            column = columns[min(len(cells), len(columns) - 1)]
            raise InputError(f"{path}: row {number}, column {column}: {len(cells)} cells, expected {len(columns)}")
    return list(enumerate(rows[1:], start=2))


def _matching(path: str | os.PathLike[str], row: int, column: str, value: str, pattern: str, expected: str) -> str:
    if not re.fullmatch(pattern, value):
        raise InputError(f"{path}: row {row}, column {column}: {value!r} is not {expected}")
    return value


def _positive(path: str | os.PathLike[str], row: int, column: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{path}: row {row}, column {column}: {value!r} is not a positive number")
    return number


def _write(path: str | os.PathLike[str], columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with atomic_path(path) as aside, open(aside, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
