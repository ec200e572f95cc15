"""Videos to their parts, from the cache where it has them; a video is decoded once for all parts that it has not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from dawn.errors import InputError
from dawn.media.files import sha256_file
from dawn.weights import MissingWeights
from eval.extract import features as parts
from eval.extract.cache import Arrays, Cache
from eval.extract.features import Choices, Part, Run
from eval.extract.video import footage


@dataclass(frozen=True)
class Measured:
    """One video: the hash of its file, and its parts by name."""

    sha256: str
    parts: dict[str, Arrays]


@dataclass
class Reading:
    """What came of reading: videos by path, why some could not be read, and why some parts could not be had."""

    videos: dict[Path, Measured] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)


def available(names: Iterable[str], choices: Choices) -> tuple[dict[str, Part], dict[str, str]]:
    """Parts by name, the facts of the footage first, and the reasons of those that cannot be had on this machine."""
    found: dict[str, Part] = {}
    missing: dict[str, str] = {}
    for name in dict.fromkeys(["footage", *names]):
        try:
            found[name] = parts.build(name, choices)
        except MissingWeights as error:
            missing[name] = str(error)
    return found, missing


def read(
    videos: Iterable[Path],
    wanted: Mapping[str, Part],
    cache: Cache,
    *,
    runs: dict[str, Run] | None = None,
    keep: bool = True,
    label: str = "reading",
) -> Reading:
    """Every part of every video. Without `keep` the parts are only put into the cache.

    `runs` keeps loaded networks from one call to the next; no `label`, no progress bar.

    A video that cannot be decoded and a part whose weights are absent or wrong are told with the reason; the rest goes
    on. Raises InputError when a video is missing or the cache cannot be written.
    """
    reading = Reading(parts=dict(wanted))
    runs = {} if runs is None else runs
    paths = list(dict.fromkeys(videos))
    for path in tqdm(paths, desc=label, unit="video", mininterval=2, disable=not label):
        if not path.is_file():
            raise InputError(f"{path}: missing; every clip needs a video there")
        sha256 = sha256_file(path)
        seen = _read_one(path, sha256, reading, runs, cache)
        if seen is not None and keep:
            reading.videos[path] = Measured(sha256, {name: seen[name] for name in reading.parts if name in seen})
    return reading


def _read_one(
    path: Path, sha256: str, reading: Reading, runs: dict[str, Run], cache: Cache
) -> dict[str, Arrays] | None:
    """The parts of one video, or None when it cannot be decoded."""
    seen: dict[str, Arrays] = {}
    absent: list[Part] = []
    for part in reading.parts.values():
        for one in (*part.needs, part):
            if one.name in seen or one in absent:
                continue
            found = cache.get(sha256, one.name, one.key)
            if found is not None:
                seen[one.name] = found
            elif _loaded(one, runs, reading.missing):
                absent.append(one)
    for name in reading.missing:
        reading.parts.pop(name, None)
    if not absent:
        return seen
    with contextlib.ExitStack() as stack:
        try:
            film = stack.enter_context(footage(path))
        except InputError as error:
            reading.unreadable[path] = str(error).removeprefix(f"{path}: ")
            return None
        for part in absent:
            seen[part.name] = runs[part.name](film, seen)
            cache.put(sha256, part.name, part.key, seen[part.name], part.about)
    return seen


def _loaded(part: Part, runs: dict[str, Run], missing: dict[str, str]) -> bool:
    """Whether the function of `part` is at hand; loads its network once, and notes why when it cannot be had."""
    if part.name not in runs and part.name not in missing:
        try:
            runs[part.name] = part.load()
        except MissingWeights as error:
            missing[part.name] = str(error)
    return part.name in runs
