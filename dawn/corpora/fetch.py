"""Fetching of many files of known hash from a publisher into a folder: resumable and verified.

A file gets its name in the folder only after its hash was verified; a partial file stays in ``.parts``. A file that the
publisher does not have, or has with another hash, becomes a row of the folder's ``rejected.csv`` and is not requested
again. After a kill at any moment, the next call continues.
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
from dawn.media.files import require_space, sha256_file

REJECTED = "rejected.csv"
T = TypeVar("T")
_BATCH = 100  # files whose addresses are requested at once (the limit of Git LFS servers)
_GIVE_UP = 5  # files in a row that no server delivers


@dataclass(frozen=True)
class RemoteFile:
    """One file of a publisher."""

    name: str  # of the clip, or of the list
    file: str  # path below the folder
    size: int | None  # bytes; None where the publisher does not state it
    sha256: str


@dataclass(frozen=True)
class Address:
    """URL of a file, and the headers that a request for it needs."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


# For each file, by name: its address, or the reason why there is none.
FindAddresses = Callable[[Sequence[RemoteFile]], Mapping[str, Address | str]]


def fetch_all(
    files: Sequence[RemoteFile], folder: Path, find_addresses: FindAddresses, jobs: int, label: str
) -> list[Rejected]:
    """Fetch `files` into `folder`, `jobs` in parallel; returns a row with the reason for each file that is unavailable.

    The same rows are written to ``rejected.csv``. No request is sent when nothing is missing. Raises InputError when
    the disk is too small, and download.Unavailable when files failed for the moment, after all others were fetched.
    """
    with download.locked(folder, label):
        rejects = RejectLog(folder)
        missing = [file for file in files if file.name not in rejects.rows and not _is_present(file, folder)]
        parts = folder / ".parts"
        if missing:
            parts.mkdir(exist_ok=True)
            require_space(folder, sum(_remaining_bytes(file, parts) for file in missing), label)

        def fetch_one(file: RemoteFile, address: Address | str) -> None:
            reason = _fetch_file(file, address, folder, parts, find_addresses)
            if reason is not None:
                rejects.add([Rejected(file.name, "fetch", reason)])

        def tasks() -> Iterator[list[Callable[[], None]]]:
            for batch in batches(missing, _BATCH):
                addresses = find_addresses(batch)
                yield [functools.partial(fetch_one, file, addresses[file.name]) for file in batch]

        progress = tqdm(total=len(files), initial=len(files) - len(missing), desc=label, unit="file", mininterval=2)
        with progress as bar:
            faults = run_batches(tasks(), jobs, bar.update)
        if faults:
            short = sum(not _is_present(file, folder) and file.name not in rejects.rows for file in files)
            raise download.Unavailable(
                f"{folder}: {short} of {len(files)} files are still to come; the first fault: {faults[0]}"
            )
        if missing:
            shutil.rmtree(parts)
        return [rejects.rows[file.name] for file in files if file.name in rejects.rows]


class RejectLog:
    """Rows of a folder's ``rejected.csv``, by name: unavailable files or clips. A user may add rows to the file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / REJECTED
        self._lock = threading.Lock()
        self.rows = {row.clip: row for row in read_rejected(self._path)} if self._path.exists() else {}

    def add(self, rows: Iterable[Rejected]) -> None:
        """Add `rows` and rewrite the whole file. Thread-safe."""
        with self._lock:
            self.rows |= {row.clip: row for row in rows}
            write_rejected(self._path, self.rows.values())


def run_batches(work: Iterable[Sequence[Callable[[], None]]], jobs: int, done: Callable[[], object]) -> list[str]:
    """Run batches of tasks, `jobs` in parallel, and call `done` after each task that succeeds.

    Returns the messages of tasks that raised download.Unavailable. The remaining batches are skipped when, at the end
    of a batch, the last five tasks or more raised it.
    """
    faults: list[str] = []
    in_a_row = 0
    with ThreadPoolExecutor(jobs) as pool:
        for batch in work:
            for task in as_completed([pool.submit(call) for call in batch]):
                try:
                    task.result()
                except download.Unavailable as error:
                    faults.append(str(error))
                    in_a_row += 1
                else:
                    in_a_row = 0
                    done()
            if in_a_row >= _GIVE_UP:
                break
    return faults


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Split a sequence into consecutive pieces of `size` items; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _is_present(file: RemoteFile, folder: Path) -> bool:
    path = folder / file.file
    return path.is_file() and file.size in (None, path.stat().st_size)


def _remaining_bytes(file: RemoteFile, parts: Path) -> int:
    part = _part(file, parts)
    return (file.size or 0) - (part.stat().st_size if part.exists() else 0)


def _part(file: RemoteFile, parts: Path) -> Path:
    return parts / f"{file.sha256}.part"


def _fetch_file(
    file: RemoteFile, address: Address | str, folder: Path, parts: Path, find_addresses: FindAddresses
) -> str | None:
    """Fetch one file; returns None, or the reason why it is unavailable. Raises download.Unavailable."""

    def accept(part: Path) -> None:
        sha256 = sha256_file(part)
        if sha256 != file.sha256:
            raise download.Wrong(f"{file.file}: the file that came has sha256 {sha256}, expected {file.sha256}")
        target = folder / file.file
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)

    for last_try in (False, True):
        if isinstance(address, str):
            return address
        try:
            download.fetch(address.url, _part(file, parts), accept, size=file.size, headers=address.headers)
            return None
        except download.Wrong as error:
            return str(error)
        except download.Refused as error:
            if last_try:
                return str(error)
            address = find_addresses([file])[file.name]  # signed addresses expire
    return None
