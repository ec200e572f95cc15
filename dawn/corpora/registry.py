"""Kinds of corpus: what each must define, and how the one that ``corpus.kind`` names is found.

A kind is one module of :mod:`dawn.corpora.kinds`, which defines ``CORPUS``, an instance of :class:`CorpusKind`; its
file name is the value of ``corpus.kind``. Nothing else has to be edited to add one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from dawn.config import CORPUS_KINDS, Corpus, Section
from dawn.corpora.manifest import Clip, Rejected
from dawn.plugins import load_plugin

if TYPE_CHECKING:
    from dawn.media.framing import FindBox

# Videos with their SHA-256 -> for each, the number of the person it shows, or the reason why there is none.
ClusterFaces = Callable[[Sequence[tuple[Path, str]]], Sequence[int | str]]


@dataclass(frozen=True)
class ClipList:
    """The clips of a corpus."""

    clips: list[Clip]
    rejected: list[Rejected] = field(default_factory=list)  # listed by the corpus, but unusable
    videos: dict[str, int] | None = None  # of a fetched corpus: how many videos are "listed", and how many it "had"


class CorpusKind(Protocol):
    """One kind of corpus. In all methods `corpus` is the configuration and `folder` is ``data/<corpus.name>``."""

    # The model of ``corpus.options``, for a kind that has no section of its own in dawn.config.
    options: ClassVar[type[Section] | None] = None

    @abstractmethod
    def credit(self, corpus: Corpus) -> str:
        """Authors and terms of the material, in one line."""

    def acquire(self, corpus: Corpus, folder: Path) -> None:
        """Fetch or generate the sources of the clips, as far as they are missing.

        What cannot be had is recorded, so that :meth:`clips` lists it as rejected. Raises InputError when the sources
        cannot be used at all, download.Unavailable when some are still to come.
        """
        return  # by default there is nothing to fetch

    @abstractmethod
    def clips(self, corpus: Corpus, folder: Path, cluster_faces: ClusterFaces) -> ClipList:
        """List the clips of the acquired sources, in a fixed order, each with identity and split."""

    def source_root(self, corpus: Corpus, folder: Path) -> Path:
        """Folder that the column ``source`` of the manifest is relative to."""
        return folder

    @abstractmethod
    def write_clip(self, corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
        """Write `source` as a square video: `corpus.resolution` pixels, 25 fps, 16 kHz mono speech.

        `find_box` detects a face. Raises InputError, with the reason, when the clip must be rejected.
        """

    def clusters_faces(self, corpus: Corpus) -> bool:
        """True if :meth:`clips` takes identities from `cluster_faces`."""
        return False


def kind_of(corpus: Corpus) -> CorpusKind:
    """The implementation of ``corpus.kind``."""
    kind: CorpusKind = load_plugin(CORPUS_KINDS, corpus.kind, "CORPUS")
    return kind
