"""CREMA-D (Cao et al. 2014): 7,442 clips of 91 actors, from its publisher's Git LFS storage, with the paper's split.

`crema.csv` lists name, bytes and SHA-256 of every flash video, as the publisher's LFS pointers state them (commit
1658cd34). It is a derivative of the database CREMA-D, under the same Open Database License 1.0.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from dawn.config import Corpus
from dawn.corpora.fetch import RejectLog, RemoteFile, fetch_all
from dawn.corpora.lfs import addresses_at
from dawn.corpora.manifest import Clip, Rejected
from dawn.corpora.registry import ClipList, ClusterFaces, CorpusKind
from dawn.errors import InputError

if TYPE_CHECKING:
    from dawn.media.framing import FindBox

READS = ("crema.csv",)
LIST = Path(__file__).with_name(READS[0])


@cache
def listed_files(path: Path = LIST) -> tuple[RemoteFile, ...]:
    """Read the list of all videos. A name states actor (first four digits), sentence, emotion and level."""
    with open(path, encoding="utf-8", newline="") as stream:
        return tuple(
            RemoteFile(row["clip"], f"VideoFlash/{row['clip']}.flv", int(row["bytes"]), row["sha256"])
            for row in csv.DictReader(stream)
        )


class CremaD(CorpusKind):
    """CREMA-D below ``corpus.crema.root``."""

    def credit(self, corpus: Corpus) -> str:
        """See :class:`CorpusKind`."""
        return "CREMA-D (Cao et al. 2014, https://github.com/CheyneyComputerScience/CREMA-D), ODbL 1.0"

    def acquire(self, corpus: Corpus, folder: Path) -> None:
        """Fetch the videos to the root. Raises as :func:`dawn.corpora.fetch.fetch_all` does."""
        addresses = addresses_at(corpus.crema.servers)
        fetch_all(listed_files(), Path(corpus.crema.root), addresses, corpus.fetch.jobs, "CREMA-D")

    def clips(self, corpus: Corpus, folder: Path, cluster_faces: ClusterFaces) -> ClipList:
        """List clips and rejects, by name.

        The split is that of Diffused Heads, as in the paper (4.1): 820 clips of ten actors for testing, the others for
        training.
        """
        from dawn.corpora.video_clips import count_frames

        root = Path(corpus.crema.root)
        rows = RejectLog(root).rows
        rejected = [rows[file.name] for file in listed_files() if file.name in rows]
        lost = {row.clip for row in rejected}
        clips = []
        for file in tqdm(listed_files(), desc="videos", unit="video", mininterval=2):
            if file.name in lost:
                continue
            try:
                frames = count_frames(root / file.file, file.file, corpus.fps)
            except InputError as error:
                rejected.append(Rejected(file.name, "corpus", str(error)))
                continue
            actor = file.name[:4]
            split = "test" if int(actor) in corpus.crema.test_actors else "train"
            clips.append(Clip(file.name, actor, split, frames, frames / corpus.fps, file.file, file.sha256))
        total = len(clips) + len(rejected)
        lost_in_fetch = sum(row.stage == "fetch" for row in rejected)
        return ClipList(clips, rejected, {"listed": total, "had": total - lost_in_fetch})

    def source_root(self, corpus: Corpus, folder: Path) -> Path:
        """See :class:`CorpusKind`."""
        return Path(corpus.crema.root)

    def write_clip(self, corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
        """See :class:`CorpusKind`."""
        from dawn.corpora.video_clips import write_face_clip

        write_face_clip(corpus, clip, source, out, find_box)


CORPUS = CremaD()
