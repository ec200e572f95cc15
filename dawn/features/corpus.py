"""First stage of preparation, with the parts that depend on features: check of disk space and clustering of faces."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from dawn.config import Config
from dawn.corpora.prepare import prepare
from dawn.features.disk_space import check_corpus_space
from dawn.paths import Paths


def prepare_corpus(config: Config, paths: Paths) -> None:
    """Acquire the sources of the corpus and write its manifest (:func:`dawn.corpora.prepare.prepare`).

    Raises InputError as that function does, and when the disk is too small for clips and features.
    """

    def cluster(videos: Sequence[tuple[Path, str]]) -> Sequence[int | str]:
        from dawn.features.identity import cluster_videos

        same_person, detect_side = config.corpus.folder.same_person, config.features.detect_side
        return cluster_videos(videos, same_person, detect_side, paths.corpus / "faces.jsonl")

    prepare(config.corpus, paths.corpus, functools.partial(check_corpus_space, config, paths), cluster)
