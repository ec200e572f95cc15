"""Where clips come from. A corpus is prepared once (manifest and rejects), then its clips are made one by one.

A new kind of corpus is a value of `config.Corpus.kind` and one branch in each of the functions below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dawn import demo
from dawn.config import Corpus
from dawn.corpora import crema, web
from dawn.corpora import folder as own
from dawn.corpora.folder import FindBox, Recognise
from dawn.corpora.manifest import Clip, Rejected, write_manifest, write_rejected
from dawn.demo.truth import Truth
from dawn.errors import InputError
from dawn.media.files import sha256_file
from dawn.provenance import write_json

__all__ = ["make_clip", "prepare", "source_root"]


def prepare(
    corpus: Corpus,
    folder: Path,
    check: Callable[[Sequence[Clip]], None] = lambda clips: None,
    recognise: Recognise | None = None,
) -> None:
    """Write `clips.csv`, `rejected.corpus.csv` and what clips are made from to the corpus' folder `data/<name>`.

    `coverage.json` there says of how many clips, and videos on the net, that are listed, how many there are.

    `check` may refuse the clips before anything is written; `recognise` tells people apart where a folder's videos are
    to be told by faces. Raises InputError as they do, and when not a single clip can be made.
    """
    rejected: list[Rejected] = []
    videos: dict[str, int] | None = None
    if corpus.kind == "demo":
        clips = demo.prepare(corpus, folder)
    elif corpus.kind == "crema":
        clips, rejected = crema.prepare(corpus)
        lost = sum(row.stage == "fetch" for row in rejected)
        videos = {"listed": len(clips) + len(rejected), "had": len(clips) + len(rejected) - lost}
    elif corpus.kind == "folder":
        clips, rejected = own.prepare(corpus, recognise)
    else:
        clips, rejected, videos = web.prepare(corpus)
    if not clips:
        raise InputError(f"corpus {corpus.name}: not one usable video; the first fault: {rejected[0].reason}")
    check(clips)
    write_rejected(folder / "rejected.corpus.csv", rejected)
    write_manifest(folder / "clips.csv", clips)
    listed = {"listed": len(clips) + len(rejected), "had": len(clips)}
    write_json(folder / "coverage.json", {"clips": listed, "videos": videos})


def make_clip(corpus: Corpus, clip: Clip, folder: Path, out: Path, find_box: FindBox) -> None:
    """Write one clip as video: 25 fps, square, `corpus.resolution` pixels, with 16 kHz mono speech.

    `folder` is `data/<name>`; `find_box(frame)` gives the landmark box of a face in pixels, or None, and is not asked
    for drawn people. Raises InputError with the reason when the clip must be rejected.
    """
    source = source_root(corpus, folder) / clip.source
    if not source.is_file():
        raise InputError(f"{source}: missing; prepare the corpus again")
    if sha256_file(source) != clip.sha256:
        raise InputError(f"{source}: changed since the manifest was written; prepare the corpus again")
    if corpus.kind == "demo":
        demo.draw(Truth.load(source), corpus.resolution, out)
    else:
        maker = own if corpus.kind in ("folder", "crema") else web
        maker.make_clip(corpus, clip, source, out, find_box)


def source_root(corpus: Corpus, folder: Path) -> Path:
    """Where what clips are made from lies; `folder` is ``data/<name>``."""
    if corpus.kind == "demo":
        return folder
    if corpus.kind == "folder":
        return Path(corpus.folder.root)
    return Path(corpus.crema.root if corpus.kind == "crema" else web.settings(corpus).root)
