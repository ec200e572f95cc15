"""Many files of known size and hash from a publisher into a folder: resumable, verified, nothing fetched twice.

A file has its name in the folder only once its hash is right. What a server broke off waits in `.parts`; what it does
not have, or has wrong, is a row of the folder's `rejected.csv` and is not asked for again. So a process that was
killed, at any moment, is simply started again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from dawn import download
from dawn.corpora.manifest import Rejected, read_rejected, write_rejected
from dawn.errors import InputError
from dawn.media.files import sha256_file

REJECTED = "rejected.csv"
_TOGETHER = 100  # files whose addresses are asked for at once (what Git LFS servers take)
_GIVE_UP = 5  # files in a row that no server gives


@dataclass(frozen=True)
class Wanted:
    """One file."""

    name: str  # of the clip, or of the list
    file: str  # below the folder
    size: int | None  # bytes; None where the publisher does not say
    sha256: str


@dataclass(frozen=True)
class Address:
    """Where a file lies, and what a request for it must carry."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


# Gives for each file its address, or the reason why there is none.
Addresses = Callable[[Sequence[Wanted]], Mapping[str, Address | str]]


def fetch_all(wanted: Sequence[Wanted], folder: Path, addresses: Addresses, jobs: int, what: str) -> list[Rejected]:
    """Bring every file that can be had into `folder`; returns why the others cannot, as `rejected.csv` has it too.

    Touches no network when nothing is missing. Raises InputError when the disk is too small, and download.Unavailable
    when files are still to come, after all others came.
    """
    with download.locked(folder, what):
        rejected = known_rejects(folder)
        missing = [one for one in wanted if one.name not in rejected and not _there(one, folder)]
        parts = folder / ".parts"
        if missing:
            parts.mkdir(exist_ok=True)
            check_disk(folder, sum(_to_come(one, parts) for one in missing), what)
        late: list[str] = []
        in_a_row = 0
        with (
            ThreadPoolExecutor(jobs) as pool,
            tqdm(total=len(wanted), initial=len(wanted) - len(missing), desc=what, unit="file", mininterval=2) as bar,
        ):
            for batch in _batches(missing):
                at = addresses(batch)
                tasks = {pool.submit(_one, one, at[one.name], folder, parts, addresses): one for one in batch}
                for task in as_completed(tasks):
                    try:
                        reason = task.result()
                    except download.Unavailable as error:
                        late.append(str(error))
                        in_a_row += 1
                        continue
                    in_a_row = 0
                    bar.update()
                    if reason is not None:
                        name = tasks[task].name
                        rejected[name] = Rejected(name, "fetch", reason)
                        write_rejected(folder / REJECTED, rejected.values())
                if in_a_row >= _GIVE_UP:
                    break
        if late:
            short = sum(not _there(one, folder) and one.name not in rejected for one in wanted)
            raise download.Unavailable(
                f"{folder}: {short} of {len(wanted)} files are still to come; the first fault: {late[0]}"
            )
        if missing:
            shutil.rmtree(parts)
        return [rejected[one.name] for one in wanted if one.name in rejected]


def known_rejects(folder: Path) -> dict[str, Rejected]:
    """What earlier calls could not have, by name."""
    place = folder / REJECTED
    return {row.clip: row for row in read_rejected(place)} if place.exists() else {}


def check_disk(folder: Path, needed: float, what: str) -> None:
    """Raise InputError when the disk of `folder` has less than `needed` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: {what} takes {needed / 1e9:.1f} GB more, and the disk has {free / 1e9:.1f} GB; make room"
        )


def _there(one: Wanted, folder: Path) -> bool:
    place = folder / one.file
    return place.is_file() and one.size in (None, place.stat().st_size)


def _to_come(one: Wanted, parts: Path) -> int:
    part = _part(one, parts)
    return (one.size or 0) - (part.stat().st_size if part.exists() else 0)


def _part(one: Wanted, parts: Path) -> Path:
    return parts / f"{one.sha256}.part"


def _batches(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    for start in range(0, len(wanted), _TOGETHER):
        yield wanted[start : start + _TOGETHER]


def _one(one: Wanted, at: Address | str, folder: Path, parts: Path, addresses: Addresses) -> str | None:
    """Bring one file; the reason why it cannot be had, or None. Raises download.Unavailable."""

    def accept(whole: Path) -> None:
        got = sha256_file(whole)
        if got != one.sha256:
            raise download.Wrong(f"{one.file}: what came has sha256 {got}, expected {one.sha256}")
        target = folder / one.file
        target.parent.mkdir(parents=True, exist_ok=True)
        whole.replace(target)

    for again in (False, True):
        if isinstance(at, str):
            return at
        try:
            download.fetch(at.url, _part(one, parts), accept, size=one.size, headers=at.headers)
            return None
        except download.Wrong as error:
            return str(error)
        except download.Refused as error:
            if again:
                return str(error)
            at = addresses([one])[one.name]  # signed addresses run out
    return None
