"""Downloads over unreliable connections: one URL to one file, resumed where the connection broke.

A partial file stays as ``.part`` until the caller has accepted the whole, so that no byte is transferred twice, even
after a kill.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dawn.errors import InputError
from dawn.media.files import require_space

PAUSE = 1.0  # seconds before the second try in a row without a new byte, doubled for each further one
TRIES = 5  # in a row without a new byte
_BLOCK = 1 << 20  # bytes
_LONGEST_PAUSE = 120  # seconds, even if a server requests more
_TIMEOUT = (15, 60)  # seconds to connect, and between two blocks


class Unavailable(InputError):
    """Temporary failure: a server does not respond, or repeatedly breaks connections; a later call may succeed."""


class Refused(InputError):
    """Permanent failure: the server has no such file, or denies it (status 400 to 499)."""


class Wrong(InputError):
    """Downloaded file that is not the expected one."""


@contextlib.contextmanager
def locked(folder: Path, purpose: str) -> Iterator[None]:
    """Create `folder` and lock it for this process. Raises InputError where another process holds the lock."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: another process is fetching {purpose}; wait for it") from None
    try:
        yield
    finally:
        lock.release()


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
    """Download `url` to `part`, then call `accept`, which moves the file away or raises :class:`Wrong`.

    A rejected `part` of an earlier call may have been the start of another file: the download is then repeated once
    from its beginning. Raises Unavailable, Refused and Wrong; after Wrong `part` is deleted. `by_hand` ends error
    messages.
    """
    for last_try in (False, True):
        resumed = part.exists()
        try:
            download(url, part, size, label, headers, by_hand)
            accept(part)
            return
        except Wrong:
            part.unlink(missing_ok=True)
            if last_try or not resumed:
                raise
        finally:
            if not part.exists():
                _version_file(part).unlink(missing_ok=True)


def download(
    url: str,
    part: Path,
    size: int | None = None,
    label: str = "",
    headers: Mapping[str, str] | None = None,
    by_hand: str = "fetch it by other means",
) -> None:
    """Download `url` to `part`, resuming at the end of `part` if the server supports ranges.

    Broken connections are resumed, up to five times in a row without progress. After status 429 or 503 the pause that
    the server requests is respected, up to two minutes. `size` is the expected size in bytes. An empty `label` disables
    the progress bar. Raises Unavailable, Refused, and Wrong for a file longer than `size`.
    """
    import requests
    from tqdm import tqdm
    from urllib3.exceptions import HTTPError

    if size is not None:
        require_space(part.parent, size - _size(part), label or url)
    failed = 0
    with (
        session(headers) as web,
        tqdm(total=size, desc=label, unit="B", unit_scale=True, mininterval=1, disable=not label) as bar,
    ):
        while True:
            have = _size(part)
            try:
                whole = _request(web, url, part, have, size, bar, by_hand)
            except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
                whole, reason = False, str(error)
            except requests.RequestException as error:
                raise Refused(f"{url}: {error}; {by_hand}") from None
            else:
                reason = f"it ends after {part.stat().st_size} bytes" if part.exists() else "it sends nothing"
            if whole:
                return
            failed = 0 if _size(part) > have else failed + 1
            if failed >= TRIES:
                raise Unavailable(f"{url}: gave up after {TRIES} tries ({reason}); call again to continue")
            if failed:
                time.sleep(PAUSE * 2 ** (failed - 1))


def session(headers: Mapping[str, str] | None = None) -> Any:
    """Create a `requests.Session` that retries busy servers (429, 5xx) and sends `headers`."""
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
    web = requests.Session()
    web.headers.update(headers or {})
    web.mount("https://", HTTPAdapter(max_retries=retry))
    web.mount("http://", HTTPAdapter(max_retries=retry))
    return web


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _version_file(part: Path) -> Path:
    """Return the file that holds the ETag of the version that `part` is the start of."""
    return part.with_name(f"{part.name}.version")


def _request(web: Any, url: str, part: Path, have: int, size: int | None, bar: Any, by_hand: str) -> bool:
    """Send one request and append its body to `part`, or replace `part` by it; returns whether the file is whole."""
    headers = {"Accept-Encoding": "identity"}
    version = _version_file(part)
    if have:
        headers["Range"] = f"bytes={have}-"
        if version.exists():
            headers["If-Range"] = version.read_text(encoding="utf-8")
    with web.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if urlsplit(url).scheme == "https" and urlsplit(response.url).scheme != "https":
            raise InputError(f"{url}: leads to {response.url}, which is not encrypted; refused")
        if response.status_code == 416:  # nothing after the partial file: it is whole, or of another file
            if response.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                return True
            part.unlink()
            return False
        if response.status_code >= 400:
            hint = "" if have == 0 else " (the part that came before is kept)"
            busy = response.status_code == 429 or response.status_code >= 500
            fault = Unavailable if busy else Refused
            raise fault(
                f"{url}: the server answers {response.status_code} {response.reason}{hint}; try later, or {by_hand}"
            )
        content_range = response.headers.get("Content-Range", "")
        resumes = response.status_code == 206 and content_range.startswith(f"bytes {have}-")
        start = have if resumes else 0
        if etag := response.headers.get("ETag"):
            if not etag.startswith("W/"):
                version.write_text(etag, encoding="utf-8")
        elif not resumes:
            version.unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else size
        bar.reset(total=total)
        bar.update(start)
        with open(part, "ab" if resumes else "wb") as sink:
            while block := response.raw.read1(_BLOCK):  # read() would lose the bytes before a broken connection
                sink.write(block)
                bar.update(len(block))
                if size is not None and sink.tell() > size:
                    break
    written = part.stat().st_size
    if size is not None and written > size:
        part.unlink()
        raise Wrong(f"{url}: longer than the expected {size} bytes; refused")
    return written == total if total is not None else True
