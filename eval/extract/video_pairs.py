"""Pairs of real and generated videos, matched by name, from two folders or two files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawn.errors import InputError
from dawn.paths import clip_file

SUFFIXES = frozenset({".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})


@dataclass(frozen=True)
class Pair:
    """Paths of the real and the generated video of one name; None where a side lacks it."""

    name: str
    real: Path | None
    fake: Path | None


def pairs_of(real: Path, fake: Path) -> list[Pair]:
    """Pair all videos of both sides by name, the path relative to the folder without suffix; sorted by name.

    A folder of the clips of a corpus (:func:`dawn.paths.clip_file`) has these by their own names. Two files are one
    pair, whatever their names. Raises InputError for a folder that is absent or contains no video, two videos of one
    name, or no common name.
    """
    if real.is_file() and fake.is_file():
        return [Pair(fake.stem, real, fake)]
    sides = _videos(real), _videos(fake)
    names = sorted({*sides[0], *sides[1]})
    pairs = [Pair(name, sides[0].get(name), sides[1].get(name)) for name in names]
    if not any(pair.real and pair.fake for pair in pairs):
        raise InputError(
            f"{real} and {fake}: no video has the same name in both ({names[0]!r} is in one only); rename them"
        )
    return pairs


def _videos(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give two folders of videos, or two videos")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith("."):
            of_corpus = path == clip_file(folder, path.stem, path.suffix)
            name = path.stem if of_corpus else path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise InputError(f"{found[name]} and {path}: two videos of one name; keep one")
            found[name] = path
    if not found:
        raise InputError(f"{folder}: contains no video ({', '.join(sorted(SUFFIXES))})")
    return found
