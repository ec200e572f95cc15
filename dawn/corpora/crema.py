"""CREMA-D (Cao et al. 2014): 7,442 clips of 91 actors, from its publisher's Git LFS storage, with the paper's split.

`crema.csv` lists name, bytes and SHA-256 of every flash video, as the publisher's LFS pointers give them (commit
1658cd34). It is a derivative of the database CREMA-D and stands under the Open Database License 1.0, as that does.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from tqdm import tqdm

from dawn.config import Corpus
from dawn.corpora.fetch import Wanted, fetch_all
from dawn.corpora.folder import count_frames
from dawn.corpora.lfs import addresses_at
from dawn.corpora.manifest import Clip, Rejected
from dawn.errors import InputError

READS = ("crema.csv",)
LIST = Path(__file__).with_name(READS[0])


@cache
def listed(path: Path = LIST) -> tuple[Wanted, ...]:
    """All videos, by name: the first four digits are the actor's, then sentence, emotion and level."""
    with open(path, encoding="utf-8", newline="") as stream:
        return tuple(
            Wanted(row["clip"], f"VideoFlash/{row['clip']}.flv", int(row["bytes"]), row["sha256"])
            for row in csv.DictReader(stream)
        )


def fetch(corpus: Corpus) -> list[Rejected]:
    """Bring the videos to `corpus.crema.root`; returns those that cannot be had. Raises as fetch_all does."""
    crema = corpus.crema
    return fetch_all(listed(), Path(crema.root), addresses_at(crema.servers), corpus.fetch.jobs, "CREMA-D")


def prepare(corpus: Corpus) -> tuple[list[Clip], list[Rejected]]:
    """Clips and rejects, by name; fetches what is missing first.

    The paper (4.1) splits as Diffused Heads did: 820 clips of ten actors for testing, the others for training.
    """
    rejected = fetch(corpus)
    lost = {row.clip for row in rejected}
    root = Path(corpus.crema.root)
    clips = []
    for one in tqdm(listed(), desc="videos", unit="video", mininterval=2):
        if one.name in lost:
            continue
        try:
            frames = count_frames(root / one.file, one.file, corpus.fps)
        except InputError as error:
            rejected.append(Rejected(one.name, "corpus", str(error)))
            continue
        actor = one.name[:4]
        split = "test" if int(actor) in corpus.crema.test_actors else "train"
        clips.append(Clip(one.name, actor, split, frames, frames / corpus.fps, one.file, one.sha256))
    return clips, rejected
