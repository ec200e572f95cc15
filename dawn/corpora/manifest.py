"""Manifest of a corpus and list of its rejected clips: two small CSV files, validated on every read."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from sys import intern

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
    sha256: str  # of that file, and of a sound file that belongs to it (CorpusKind.source_hash)


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
        for value, (column, matches, expected) in zip(cells, _COLUMNS, strict=True):
            if not matches(value):
                raise InputError(f"{path}: row {row}, column {column}: {value!r} is not {expected}")
        clip, identity, split, frames, seconds, source, sha256 = cells
        if clip in names:
            raise InputError(f"{path}: row {row}, column clip: {clip!r} appears twice; names must be unique")
        names.add(clip)
        clips.append(Clip(clip, intern(identity), intern(split), int(frames), float(seconds), source, sha256))
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


def _rows(path: str | os.PathLike[str], columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Read the data rows with their numbers (the header is row 1), each with exactly as many cells as `columns`."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream)
            header = next(rows, [])
            if header != list(columns):
                wrong = next((name for name in columns if name not in header), None)
                hint = f"column {wrong} is missing" if wrong else f"columns are {', '.join(header)}"
                raise InputError(f"{path}: row 1: {hint}; expected {', '.join(columns)}")
            for number, cells in enumerate(rows, start=2):
                if len(cells) != len(columns):
                    column = columns[min(len(cells), len(columns) - 1)]
                    raise InputError(
                        f"{path}: row {number}, column {column}: {len(cells)} cells, expected {len(columns)}"
                    )
                yield number, cells
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error.__class__.__name__})") from None


def _is_positive(value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return math.isfinite(number) and number > 0


# Columns of clips.csv: name, check of a cell, what it must be. Many jobs read manifests of up to 150,000 rows.
_COLUMNS: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("clip", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*").fullmatch, "a file-safe name"),
    ("identity", re.compile(r".+").fullmatch, "a name"),
    ("split", SPLITS.__contains__, "train or test"),
    ("frames", re.compile(r"[1-9][0-9]*").fullmatch, "a positive whole number"),
    ("seconds", _is_positive, "a positive number"),
    ("source", re.compile(r".+").fullmatch, "a path"),
    ("sha256", re.compile(r"[0-9a-f]{64}").fullmatch, "64 hexadecimal digits"),
)


def _write(path: str | os.PathLike[str], columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with atomic_path(path) as aside, open(aside, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
