"""Publishers' lists of clips to cut from videos on the web: fetching, reading, and the clip that one row defines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawn.config import WebCorpus
from dawn.corpora.fetch import REJECTED, Address, RemoteFile, fetch_all
from dawn.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ListedClip:
    """One clip of a video, as its publisher's list defines it."""

    name: str  # of the clip
    video: str  # identifier of the video in its address
    start: float  # seconds on the video's clock
    end: float
    identity: str
    split: str
    box: Box | None  # square to crop (x0, y0, x1, y1) in frame heights; None: around the detected face


def lists_folder(corpus: WebCorpus) -> Path:
    """Return the folder that the lists of a corpus are fetched to."""
    return Path(corpus.root) / "lists"


def fetch_lists(corpus: WebCorpus, hashes: Mapping[str, str], label: str) -> None:
    """Fetch the missing lists of a corpus; `hashes` maps file names to SHA-256.

    Raises InputError where a list is unavailable with that hash, and download.Unavailable.
    """
    folder = lists_folder(corpus)
    files = [RemoteFile(name, name, None, sha256) for name, sha256 in hashes.items()]
    rejected = fetch_all(
        files, folder, lambda batch: {file.name: Address(f"{corpus.lists}/{file.file}") for file in batch}, 1, label
    )
    if rejected:
        (folder / REJECTED).unlink()  # no corpus without its lists: the next call requests them again
        raise InputError(f"{label}: {rejected[0].reason}; set lists to a place that has the original")


def read_list(path: Path) -> str:
    """Read the text of a list. Raises InputError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # some lists begin with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list ({error.__class__.__name__}); fetch it again") from None
