"""Resumable download of one video from its web page through yt-dlp.

Removed videos are distinguished from a busy site.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawn import download
from dawn.config import Fetching
from dawn.errors import InputError
from dawn.media.json_files import read_json, write_json

_WHOLE = "whole.json"  # names the files of a complete video
_LONGEST_PAUSE = 120.0  # seconds, even if a server requests more
_TIMEOUT = 60  # seconds between two blocks
_GONE = {404, 410, 451}  # status codes
# Messages of faults that another client, a later try or a newer yt-dlp may overcome.
_TEMPORARY = re.compile(
    r"not a bot|captcha|try again later|rate.?limit|too many requests|requested format is not available"
    r"|no video formats|needs to be reloaded|please sign in|on this app|latest version of|error code",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fault:
    """Reason why a download failed."""

    reason: str  # one line
    retry_after: float = 0.0  # seconds of waiting that the server requests
    gone: bool = False  # whether the failure is permanent with these cookies


class _Retries:
    """Count of consecutive tries without a new byte in `folder`, and the pauses between them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failed = 0
        self._bytes = _bytes_in(folder)

    def wait(self, url: str, fault: Fault) -> None:
        """Pause before the next try. Raises download.Unavailable after too many tries in a row."""
        size = _bytes_in(self._folder)
        self._failed = 0 if size > self._bytes else self._failed + 1
        self._bytes = size
        if self._failed >= download.TRIES:
            raise download.Unavailable(
                f"{url}: gave up after {download.TRIES} tries ({fault.reason}); call again to continue"
            )
        pause = download.PAUSE * 2 ** max(self._failed - 1, 0)
        time.sleep(max(min(fault.retry_after, _LONGEST_PAUSE), pause))


def fetch_video(url: str, folder: Path, height: int, fetching: Fetching) -> list[Path]:
    """Download the video at `url` to `folder`; returns one file with picture and sound, or one file for each.

    No request is sent when they exist. The picture has at most `height` rows where the site offers several heights.
    Raises download.Refused, with the site's reason, when the video is permanently unavailable with these cookies, and
    download.Unavailable after five consecutive tries without a new byte.
    """
    if (folder / _WHOLE).exists():
        files = [folder / name for name in read_json(folder / _WHOLE)]
        if all(file.is_file() for file in files):
            return files
    folder.mkdir(parents=True, exist_ok=True)
    retries = _Retries(folder)
    while True:
        result = _try(url, folder, height, fetching)
        if not isinstance(result, Fault):
            write_json(folder / _WHOLE, [file.name for file in result])
            return result
        if result.gone:
            raise download.Refused(f"{url}: {result.reason}")
        retries.wait(url, result)


def _try(url: str, folder: Path, height: int, fetching: Fetching) -> list[Path] | Fault:
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import DownloadError

    time.sleep(fetching.pause)
    log = _Log()
    try:
        with YoutubeDL(_options(folder, height, fetching, log)) as site:
            info = site.extract_info(url)
    except DownloadError as error:
        fault = classify_error(error)
        return fault if fault.gone else Fault(" ".join([fault.reason, *log.warnings[-1:]]), fault.retry_after)
    files = [Path(row["filepath"]) for row in (info or {}).get("requested_downloads", ())]
    return files or Fault("no video on that page")


def _options(folder: Path, height: int, fetching: Fetching, log: _Log) -> dict[str, Any]:
    options: dict[str, Any] = {
        "outtmpl": str(folder / "%(format_id)s.%(ext)s"),
        "format": lambda offer: select_formats(offer["formats"], height),
        "format_sort": ["res", "fps:30", "vcodec:h264", "acodec:aac"],
        "noplaylist": True,
        "geo_bypass": False,  # a site's refusal of a country is respected
        "fixup": "never",
        "updatetime": False,
        "retries": download.TRIES,
        "retry_sleep_functions": {"http": lambda n: download.PAUSE * 2**n},
        "extractor_retries": 0,  # _Retries does it
        "socket_timeout": _TIMEOUT,
        "ratelimit": None if fetching.rate is None else fetching.rate * 1e6,
        "logger": log,
        "noprogress": True,
        "color": "never",
        "cachedir": False,
        "js_runtimes": {"deno": {}, "node": {}},  # YouTube needs either
    }
    if fetching.cookies is not None:
        try:
            options["cookiefile"] = io.StringIO(Path(fetching.cookies).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{fetching.cookies}: cannot be read as cookies ({error.__class__.__name__}); mend corpus.fetch.cookies"
            ) from None
    return options


def select_formats(formats: Sequence[Mapping[str, Any]], height: int) -> list[Mapping[str, Any]]:
    """Select from a video's formats, ordered from worst to best: one with picture and sound, or one for each.

    The picture has the most rows up to `height`, or else the fewest. Picture and sound stay in separate files, since
    joining them needs another program and cut.py reads both. Returns an empty list where either is missing.
    """
    pictures = [row for row in formats if row.get("vcodec") != "none"]
    sounds = [row for row in formats if row.get("vcodec") == "none" and row.get("acodec") != "none"]
    usable = [row for row in pictures if row.get("acodec") != "none" or sounds]
    low = [row for row in usable if _rows(row) <= height]
    best = max(low, key=_rows, default=None) or min(usable, key=_rows, default=None)
    if best is None:
        return []
    picture = [row for row in usable if _rows(row) == _rows(best)][-1]
    return [picture] if picture.get("acodec") != "none" else [picture, sounds[-1]]


def _rows(row: Mapping[str, Any]) -> int:
    return int(row.get("height") or 0)


def classify_error(error: BaseException) -> Fault:
    """Classify an exception of yt-dlp: reason, requested pause, and whether the video is permanently unavailable."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import ExtractorError

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, HTTPError):
            pause = cause.response.headers.get("Retry-After") or ""
            return Fault(
                f"the server answers {cause.status} {cause.reason}",
                float(pause) if pause.isdigit() else 0.0,
                cause.status in _GONE,
            )
        if isinstance(cause, TransportError):
            return Fault(_first_sentence(str(cause)))
    for cause in causes:
        if isinstance(cause, ExtractorError):
            reason = _first_sentence(cause.orig_msg)
            return Fault(reason, gone=bool(cause.expected) and _TEMPORARY.search(reason) is None)
    return Fault(_first_sentence(str(error)))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, each once."""
    pending: list[Any] = [error]
    visited: set[int] = set()
    while pending:
        cause = pending.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in visited:
            continue
        visited.add(id(cause))
        yield cause
        info = getattr(cause, "exc_info", None) or (None, None)
        pending += [info[1], getattr(cause, "cause", None), cause.__cause__, cause.__context__]


def _first_sentence(text: str) -> str:
    """Extract the site's message; yt-dlp appends advice on its options to it."""
    text = re.split(r"\s+Use --|; please report this issue|\s+See\s+https?://", " ".join(text.split()))[0]
    return text.removeprefix("ERROR: ").rstrip(" .")


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


class _Log:
    """Logger that receives the messages of yt-dlp."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, text: str) -> None:
        """Drop the message: a corpus has thousands of videos."""

    def warning(self, text: str) -> None:
        """Keep the message; the fault that follows reports it."""
        self.warnings.append(_first_sentence(text.removeprefix("WARNING: ")))

    def error(self, text: str) -> None:
        """Drop the message: yt-dlp raises it as well."""
