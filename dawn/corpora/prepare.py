"""Preparation of a corpus of any kind: sources and manifest first, then each clip independently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dawn.config import Corpus
from dawn.corpora.manifest import Clip, write_manifest, write_rejected
from dawn.corpora.registry import ClusterFaces, kind_of
from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.framing import FindBox
from dawn.media.json_files import write_json


def prepare(
    corpus: Corpus,
    folder: Path,
    check: Callable[[Sequence[Clip]], None] = lambda clips: None,
    cluster_faces: ClusterFaces | None = None,
) -> None:
    """Acquire the sources; write ``clips.csv``, ``rejected.corpus.csv``, ``coverage.json`` and ``credit.txt``.

    `folder`, ``data/<corpus.name>``, receives them. ``coverage.json`` holds the numbers of listed and available clips
    (and videos, for a fetched corpus); ``credit.txt`` authors and terms of the material. `check` may reject the clips,
    by raising, before the manifest is written. `cluster_faces` is needed where identities come from faces. Raises
    InputError as the kind's methods and `check` do, and when no clip is usable.
    """
    kind = kind_of(corpus)
    if cluster_faces is None and kind.clusters_faces(corpus):
        raise InputError(f"corpus {corpus.name}: identities come from faces; prepare it with 'dawn corpus'")
    kind.acquire(corpus, folder)
    listing = kind.clips(corpus, folder, cluster_faces or (lambda videos: [0] * len(videos)))
    if not listing.clips:
        reason = listing.rejected[0].reason if listing.rejected else "its sources are empty"
        raise InputError(f"corpus {corpus.name}: not one usable video; the first fault: {reason}")
    check(listing.clips)
    write_rejected(folder / "rejected.corpus.csv", listing.rejected)
    write_manifest(folder / "clips.csv", listing.clips)
    clips = {"listed": len(listing.clips) + len(listing.rejected), "had": len(listing.clips)}
    write_json(folder / "coverage.json", {"clips": clips, "videos": listing.videos})
    with atomic_path(folder / "credit.txt") as aside:
        aside.write_text(kind.credit(corpus) + "\n", encoding="utf-8")


def write_clip(corpus: Corpus, clip: Clip, folder: Path, out: Path, find_box: FindBox) -> None:
    """Write one clip of the manifest as video: 25 fps, square, `corpus.resolution` pixels, with 16 kHz mono speech.

    `folder` is ``data/<corpus.name>``; `find_box` detects a face and is not called for the demo corpus. Raises
    InputError with the reason when the clip must be rejected, or when the hash of its source differs from the manifest.
    """
    kind = kind_of(corpus)
    source = kind.source_root(corpus, folder) / clip.source
    if not source.is_file():
        raise InputError(f"{source}: missing; prepare the corpus again")
    if kind.source_hash(source) != clip.sha256:
        raise InputError(f"{source}: changed since the manifest was written; prepare the corpus again")
    kind.write_clip(corpus, clip, source, out, find_box)
