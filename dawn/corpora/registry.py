"""Interface of a kind of corpus, and lookup of the kind that ``corpus.kind`` names.

A kind is one module of :mod:`dawn.corpora.kinds` that defines ``CORPUS``, an instance of :class:`CorpusKind`; its file
name is the value of ``corpus.kind``. Adding one requires no edit elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from dawn.config import CORPUS_KINDS, Corpus, Section
from dawn.corpora.manifest import Clip, Rejected
from dawn.media.files import sha256_file
from dawn.plugins import load_plugin

if TYPE_CHECKING:
    from dawn.media.framing import FindBox

# Function from videos with their SHA-256 to, for each, the number of its person, or the reason why it has none.
ClusterFaces = Callable[[Sequence[tuple[Path, str]]], Sequence[int | str]]


@dataclass(frozen=True)
class ClipList:
    """Clips and rejects of a corpus."""

    clips: list[Clip]
    rejected: list[Rejected] = field(default_factory=list)  # listed by the corpus, but unusable
    videos: dict[str, int] | None = None  # of a fetched corpus: numbers of videos "listed" and "had" (available)


class CorpusKind(Protocol):
    """Interface of one kind of corpus.

    In all methods `corpus` is the configuration and `folder` is ``data/<corpus.name>``.
    """

    # The model of ``corpus.options``, for a kind without a section in dawn.config.
    options: ClassVar[type[Section] | None] = None

    @abstractmethod
    def credit(self, corpus: Corpus) -> str:
        """Return authors and terms of the material, in one line."""

    def acquire(self, corpus: Corpus, folder: Path) -> None:
        """Fetch or generate the missing sources of the clips.

        Unavailable sources are recorded, so that :meth:`clips` lists them as rejected. Raises InputError when the
        sources cannot be used at all, download.Unavailable when some failed for the moment.
        """
        return  # by default there is nothing to fetch

    @abstractmethod
    def clips(self, corpus: Corpus, folder: Path, cluster_faces: ClusterFaces) -> ClipList:
        """List the clips of the acquired sources, in a fixed order, each with identity and split."""

    def declared_size(self, corpus: Corpus) -> tuple[int, int, float] | None:
        """Return numbers of training and test clips and their mean frames, if the configuration alone sets them."""
        return None

    def source_root(self, corpus: Corpus, folder: Path) -> Path:
        """Return the folder that the column ``source`` of the manifest is relative to."""
        return folder

    def source_hash(self, source: Path) -> str:
        """Return the SHA-256 of all that a clip is written from, as in the manifest: by default of `source`."""
        return sha256_file(source)

    @abstractmethod
    def write_clip(self, corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
        """Write `source` as a square video: `corpus.resolution` pixels, 25 fps, 16 kHz mono speech.

        `find_box` detects a face. Raises InputError, with the reason, when the clip must be rejected.
        """

    def clusters_faces(self, corpus: Corpus) -> bool:
        """Return whether :meth:`clips` takes identities from `cluster_faces`."""
        return False


def kind_of(corpus: Corpus) -> CorpusKind:
    """Load the implementation of ``corpus.kind``."""
    kind: CorpusKind = load_plugin(CORPUS_KINDS, corpus.kind, "CORPUS")
    return kind
