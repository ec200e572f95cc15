"""Many files of known size and hash from a publisher into a folder: resumable, verified, nothing fetched twice.

A file has its name in the folder only once its hash is right. What a server broke off waits in `.parts`; what it does
not have, or has wrong, is a row of the folder's `rejected.csv` and is not asked for again. So a process that was
killed, at any moment, is simply started again.
"""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from dawn import download
from dawn.corpora.manifest import Rejected, read_rejected, write_rejected
from dawn.errors import InputError
from dawn.media.files import sha256_file

REJECTED = "rejected.csv"
T = TypeVar("T")
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
        rejects = Rejects(folder)
        missing = [one for one in wanted if one.name not in rejects.rows and not _there(one, folder)]
        parts = folder / ".parts"
        if missing:
            parts.mkdir(exist_ok=True)
            check_disk(folder, sum(_to_come(one, parts) for one in missing), what)

        def bring(one: Wanted, at: Address | str) -> None:
            reason = _one(one, at, folder, parts, addresses)
            if reason is not None:
                rejects.add([Rejected(one.name, "fetch", reason)])

        def tasks() -> Iterator[list[Callable[[], None]]]:
            for batch in batches(missing, _TOGETHER):
                at = addresses(batch)
                yield [functools.partial(bring, one, at[one.name]) for one in batch]

        with tqdm(total=len(wanted), initial=len(wanted) - len(missing), desc=what, unit="file", mininterval=2) as bar:
            late = carry_out(tasks(), jobs, bar.update)
        if late:
            short = sum(not _there(one, folder) and one.name not in rejects.rows for one in wanted)
            raise download.Unavailable(
                f"{folder}: {short} of {len(wanted)} files are still to come; the first fault: {late[0]}"
            )
        if missing:
            shutil.rmtree(parts)
        return [rejects.rows[one.name] for one in wanted if one.name in rejects.rows]


class Rejects:
    """What could not be had, by name: the rows of a folder's `rejected.csv`, whoever wrote them."""

    def __init__(self, folder: Path) -> None:
        self._place = folder / REJECTED
        self._lock = threading.Lock()
        self.rows = {row.clip: row for row in read_rejected(self._place)} if self._place.exists() else {}

    def add(self, rows: Iterable[Rejected]) -> None:
        """Put `rows` on record, at once and whole; any thread may call."""
        with self._lock:
            self.rows |= {row.clip: row for row in rows}
            write_rejected(self._place, self.rows.values())


def carry_out(work: Iterable[Sequence[Callable[[], None]]], jobs: int, done: Callable[[], object]) -> list[str]:
    """Do batches of tasks, `jobs` at once, and call `done` after each that ends well.

    Returns the faults of tasks that raised download.Unavailable; five of them in a row at the end of a batch end all.
    """
    late: list[str] = []
    in_a_row = 0
    with ThreadPoolExecutor(jobs) as pool:
        for batch in work:
            for task in as_completed([pool.submit(one) for one in batch]):
                try:
                    task.result()
                except download.Unavailable as error:
                    late.append(str(error))
                    in_a_row += 1
                else:
                    in_a_row = 0
                    done()
            if in_a_row >= _GIVE_UP:
                break
    return late


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


def batches(wanted: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Pieces of a list, in order."""
    for start in range(0, len(wanted), size):
        yield wanted[start : start + size]


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
