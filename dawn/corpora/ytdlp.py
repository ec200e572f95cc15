"""One video from its page, through yt-dlp: what came stays, and a video that is gone is told from a busy site."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dawn import download
from dawn.config import Fetching
from dawn.errors import InputError
from dawn.provenance import read_json, write_json

_WHOLE = "whole.json"  # names the files of a video that is there
_LONGEST_PAUSE = 120.0  # seconds, whatever a server asks for
_TIMEOUT = 60  # seconds between two pieces
_GONE = {404, 410, 451}  # status
# Words of a site that would show the video to somebody else, or later, or to a newer yt-dlp.
_LATER = re.compile(
    r"not a bot|captcha|try again later|rate.?limit|too many requests|requested format is not available"
    r"|no video formats|needs to be reloaded|please sign in|on this app|latest version of|error code",
    re.IGNORECASE,
)


class Patience:
    """Tries in a row without a new byte in `folder`, and the pauses between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failed = 0
        self.have = _bytes(folder)

    def wait(self, asked: float, url: str, reason: str) -> None:
        """Pause before the next try, as long as the server `asked` for if it did. Raises download.Unavailable."""
        have = _bytes(self.folder)
        self.failed = 0 if have > self.have else self.failed + 1
        self.have = have
        if self.failed >= download.TRIES:
            raise download.Unavailable(
                f"{url}: gave up after {download.TRIES} tries ({reason}); call again to continue"
            )
        time.sleep(max(min(asked, _LONGEST_PAUSE), download.PAUSE * 2 ** max(self.failed - 1, 0)))


def fetch_video(url: str, folder: Path, height: int, fetching: Fetching) -> list[Path]:
    """The files of the video at `url` in `folder`: one with picture and sound, or one for each.

    Touches no network when they are there. The picture has at most `height` rows where the site has several. Raises
    download.Refused, with the site's reason, when it has the video for nobody with these cookies, and
    download.Unavailable after five tries in a row that brought nothing.
    """
    if (folder / _WHOLE).exists():
        files = [folder / name for name in read_json(folder / _WHOLE)]
        if all(file.is_file() for file in files):
            return files
    folder.mkdir(parents=True, exist_ok=True)
    patience = Patience(folder)
    while True:
        files, reason, asked = _try(url, folder, height, fetching)
        if files:
            write_json(folder / _WHOLE, [file.name for file in files])
            return files
        patience.wait(asked, url, reason)


def _try(url: str, folder: Path, height: int, fetching: Fetching) -> tuple[list[Path], str, float]:
    """Files; or none, why, and the seconds to wait that the server asked for. Raises download.Refused."""
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import DownloadError

    time.sleep(fetching.pause)
    log = _Log()
    try:
        with YoutubeDL(_options(folder, height, fetching, log)) as site:
            told = site.extract_info(url)
    except DownloadError as error:
        reason, asked, gone = _verdict(error)
        if gone:
            raise download.Refused(f"{url}: {reason}") from None
        return [], " ".join([reason, *log.warnings[-1:]]), asked
    files = [Path(row["filepath"]) for row in (told or {}).get("requested_downloads", ())]
    return files, "no video on that page", 0.0


def _options(folder: Path, height: int, fetching: Fetching, log: _Log) -> dict[str, Any]:
    options: dict[str, Any] = {
        "outtmpl": str(folder / "%(format_id)s.%(ext)s"),
        "format": lambda offer: choose(offer["formats"], height),
        "format_sort": ["res", "fps:30", "vcodec:h264", "acodec:aac"],
        "noplaylist": True,
        "geo_bypass": False,  # a site that refuses a country is taken at its word
        "fixup": "never",
        "updatetime": False,
        "retries": download.TRIES,
        "retry_sleep_functions": {"http": lambda n: download.PAUSE * 2**n},
        "extractor_retries": 0,  # Patience does it
        "socket_timeout": _TIMEOUT,
        "ratelimit": None if fetching.rate is None else fetching.rate * 1e6,
        "logger": log,
        "noprogress": True,
        "color": "never",
        "cachedir": False,
        "js_runtimes": {"deno": {}, "node": {}},  # whichever is there: YouTube wants one
    }
    if fetching.cookies is not None:
        try:
            options["cookiefile"] = io.StringIO(Path(fetching.cookies).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{fetching.cookies}: cannot be read as cookies ({error.__class__.__name__}); mend corpus.fetch.cookies"
            ) from None
    return options


def choose(formats: Sequence[Mapping[str, Any]], height: int) -> list[Mapping[str, Any]]:
    """What to fetch of a video's formats, ordered from worst to best: picture and sound in one, or one for each.

    The highest picture of at most `height` rows, or the lowest there is. Picture and sound stay apart, since to put
    them together takes another program, and cut.py reads both. Nothing where one of them is missing.
    """
    pictures = [one for one in formats if one.get("vcodec") != "none"]
    sounds = [one for one in formats if one.get("vcodec") == "none" and one.get("acodec") != "none"]
    usable = [one for one in pictures if one.get("acodec") != "none" or sounds]
    low = [one for one in usable if _rows(one) <= height]
    best = max(low, key=_rows, default=None) or min(usable, key=_rows, default=None)
    if best is None:
        return []
    same = [one for one in usable if _rows(one) == _rows(best)][-1]
    return [same] if same.get("acodec") != "none" else [same, sounds[-1]]


def _rows(one: Mapping[str, Any]) -> int:
    return int(one.get("height") or 0)


def _verdict(error: BaseException) -> tuple[str, float, bool]:
    """What a fault says, in one line; the seconds that a server asks to wait; whether the video is gone for good."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import ExtractorError

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, HTTPError):
            asked = cause.response.headers.get("Retry-After") or ""
            return (
                f"the server answers {cause.status} {cause.reason}",
                float(asked) if asked.isdigit() else 0.0,
                (cause.status in _GONE),
            )
        if isinstance(cause, TransportError):
            return _line(str(cause)), 0.0, False
    for cause in causes:
        if isinstance(cause, ExtractorError):
            reason = _line(cause.orig_msg)
            return reason, 0.0, bool(cause.expected) and _LATER.search(reason) is None
    return _line(str(error)), 0.0, False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """A fault and everything that it came from, each once."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        info = getattr(one, "exc_info", None) or (None, None)
        waiting += [info[1], getattr(one, "cause", None), one.__cause__, one.__context__]


def _line(text: str) -> str:
    """The words of the site alone: yt-dlp adds what to do with its own options."""
    text = re.split(r"\s+Use --|; please report this issue|\s+See\s+https?://", " ".join(text.split()))[0]
    return text.removeprefix("ERROR: ").rstrip(" .")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


class _Log:
    """Takes what yt-dlp would print."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, text: str) -> None:
        """Nothing: a corpus has thousands of videos."""

    def warning(self, text: str) -> None:
        """Kept, to be told with the fault that follows."""
        self.warnings.append(_line(text.removeprefix("WARNING: ")))

    def error(self, text: str) -> None:
        """Nothing: it is raised as well."""
