"""Files from the net that survive bad connections: one address into one file, going on where it broke off.

What came is kept beside its target as ``.part`` until a caller has accepted it, so that no byte is fetched twice, not
even by a process that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dawn.errors import InputError

PAUSE = 1.0  # seconds before the second try in a row without a new byte, doubled each time
TRIES = 5  # in a row without a new byte
_BLOCK = 1 << 20  # bytes
_LONGEST_PAUSE = 120  # seconds, whatever a server asks for
_TIMEOUT = (15, 60)  # seconds to connect, and between two pieces


class Unavailable(InputError):
    """A server that does not answer, or breaks off again and again: a later call may go on."""


class Refused(InputError):
    """The server says that there is no such file, or not for us: status 400 to 499."""


class Wrong(InputError):
    """What came is not the file that was wanted."""


@contextlib.contextmanager
def locked(place: Path, what: str) -> Iterator[None]:
    """One process at a time brings files into folder `place`, which is made; raises InputError for the others."""
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{place}: another process is fetching {what}; wait for it") from None
        yield


def fetch(
    url: str,
    part: Path,
    accept: Callable[[Path], None],
    *,
    size: int | None = None,
    label: str = "",
    headers: Mapping[str, str] | None = None,
    by_hand: str = "fetch it by other means",
) -> None:
    """`url` into `part`, which `accept` then takes away, or refuses by raising :class:`Wrong`.

    A `part` that was there before and turns out wrong may have been the beginning of another file: it is then fetched
    anew, once. Raises Unavailable, Refused and Wrong; after the last of them `part` is gone. `by_hand` ends messages.
    """
    for again in (False, True):
        resumed = part.exists()
        try:
            download(url, part, size, label, headers, by_hand)
            accept(part)
            return
        except Wrong:
            part.unlink(missing_ok=True)
            if again or not resumed:
                raise
        finally:
            if not part.exists():
                _validator(part).unlink(missing_ok=True)


def download(
    url: str,
    part: Path,
    size: int | None = None,
    label: str = "",
    headers: Mapping[str, str] | None = None,
    by_hand: str = "fetch it by other means",
) -> None:
    """`url` into `part`, going on where `part` ends if the server can; returns when it is whole.

    Connections that break are taken up again, five times in a row without progress; 429 and 503 are waited out as long
    as the server asks for, at most two minutes. An empty `label` shows no progress.
    """
    import requests
    from tqdm import tqdm
    from urllib3.exceptions import HTTPError

    if size is not None and shutil.disk_usage(part.parent).free < size - (part.stat().st_size if part.exists() else 0):
        raise InputError(f"{part.parent}: {label} takes {size / 1e6:.0f} MB, and the disk has less; make room")
    failed = 0
    with (
        session(headers) as web,
        tqdm(total=size, desc=label, unit="B", unit_scale=True, mininterval=1, disable=not label) as bar,
    ):
        while True:
            have = part.stat().st_size if part.exists() else 0
            try:
                whole = _piece(web, url, part, have, size, bar, by_hand)
            except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
                whole, reason = False, str(error)
            except requests.RequestException as error:
                raise Refused(f"{url}: {error}; {by_hand}") from None
            else:
                reason = f"it ends after {part.stat().st_size} bytes" if part.exists() else "it gives nothing"
            if whole:
                return
            failed = 0 if part.exists() and part.stat().st_size > have else failed + 1
            if failed >= TRIES:
                raise Unavailable(f"{url}: gave up after {TRIES} tries ({reason}); call again to continue")
            if failed:
                time.sleep(PAUSE * 2 ** (failed - 1))


def session(headers: Mapping[str, str] | None = None) -> Any:
    """A `requests.Session` that waits for busy servers (429, 5xx) and sends `headers`."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=TRIES,
        connect=0,
        read=0,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=PAUSE,
        allowed_methods={"GET", "POST"},
        retry_after_max=_LONGEST_PAUSE,
        raise_on_status=False,
    )
    made = requests.Session()
    made.headers.update(headers or {})
    made.mount("https://", HTTPAdapter(max_retries=retry))
    made.mount("http://", HTTPAdapter(max_retries=retry))
    return made


def _validator(part: Path) -> Path:
    """What the server called the version of which `part` is the beginning."""
    return part.with_name(f"{part.name}.version")


def _piece(web: Any, url: str, part: Path, have: int, size: int | None, bar: Any, by_hand: str) -> bool:
    """One request; whether the file is whole after it."""
    headers = {"Accept-Encoding": "identity"}
    version = _validator(part)
    if have:
        headers["Range"] = f"bytes={have}-"
        if version.exists():
            headers["If-Range"] = version.read_text(encoding="utf-8")
    with web.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if urlsplit(url).scheme == "https" and urlsplit(answer.url).scheme != "https":
            raise InputError(f"{url}: leads to {answer.url}, which is not encrypted; refused")
        if answer.status_code == 416:  # nothing behind what we have: whole, or of another file
            if answer.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                return True
            part.unlink()
            return False
        if answer.status_code >= 400:
            hint = "" if have == 0 else " (what came before is kept)"
            kind = Unavailable if answer.status_code == 429 or answer.status_code >= 500 else Refused
            raise kind(f"{url}: the server answers {answer.status_code} {answer.reason}{hint}; try later, or {by_hand}")
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if goes_on else 0
        if etag := answer.headers.get("ETag"):
            if not etag.startswith("W/"):
                version.write_text(etag, encoding="utf-8")
        elif not goes_on:
            version.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length is not None else size
        bar.reset(total=total)
        bar.update(start)
        with open(part, "ab" if goes_on else "wb") as sink:
            while block := answer.raw.read1(_BLOCK):  # read() would lose what came before a break
                sink.write(block)
                bar.update(len(block))
                if size is not None and sink.tell() > size:
                    break
    got = part.stat().st_size
    if size is not None and got > size:
        part.unlink()
        raise Wrong(f"{url}: longer than the {size} bytes that it should have; refused")
    return got == total if total is not None else True
