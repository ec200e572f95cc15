"""What is to be cut from videos on the net: the items of a corpus, and the published lists that they are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawn.config import WebCorpus
from dawn.corpora.fetch import REJECTED, Address, Wanted, fetch_all
from dawn.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Item:
    """One clip of a video."""

    name: str  # of the clip
    video: str  # the video's own part of its address
    start: float  # seconds on the video's clock
    end: float
    identity: str
    split: str
    box: Box | None  # the square to crop (x0, y0, x1, y1), in heights of the picture; None: around the face


def lists_of(corpus: WebCorpus) -> Path:
    """The folder of the lists of a corpus."""
    return Path(corpus.root) / "lists"


def fetch_lists(corpus: WebCorpus, lists: Mapping[str, str], what: str) -> None:
    """Fetch the lists of a corpus (file -> SHA-256) where they are missing.

    Raises InputError where one cannot be had as it was, and download.Unavailable.
    """
    folder = lists_of(corpus)
    wanted = [Wanted(name, name, None, sha256) for name, sha256 in lists.items()]
    rejected = fetch_all(
        wanted, folder, lambda batch: {one.name: Address(f"{corpus.lists}/{one.file}") for one in batch}, 1, what
    )
    if rejected:
        (folder / REJECTED).unlink()  # nothing goes without its lists: the next call asks again
        raise InputError(f"{what}: {rejected[0].reason}; set lists to a place that has it, as it was")


def read_list(path: Path) -> str:
    """Text of a list. Raises InputError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # one begins with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list ({error.__class__.__name__}); fetch it again") from None
