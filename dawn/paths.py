"""File names of corpora and runs, for commands and workflow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dawn.config import Config


def clip_file(folder: Path, name: str, suffix: str) -> Path:
    """Return the file of clip `name` in a folder of a corpus: ``<folder>/<two digits>/<name><suffix>``.

    The two hexadecimal digits are the first of the SHA-256 of the name. Of 150,000 clips, each of the 256 folders has
    some 600; file systems are slow with folders of as many files as a corpus has clips.
    """
    return folder / hashlib.sha256(name.encode()).hexdigest()[:2] / f"{name}{suffix}"


@dataclass(frozen=True)
class Paths:
    """Files of the corpus and the run of one configuration."""

    corpus: Path  # data/<corpus>
    prepared: Path  # data/<corpus>/<resolution>
    run: Path  # results/<run>

    @classmethod
    def of(cls, config: Config, data: Path = Path("data"), results: Path = Path("results")) -> Paths:
        """Return the paths of `config` below the folders `data` and `results`."""
        corpus = data / config.corpus.name
        return cls(corpus, corpus / str(config.corpus.resolution), results / config.name)

    @property
    def manifest(self) -> Path:
        """Manifest of all clips of the corpus."""
        return self.corpus / "clips.csv"

    @property
    def coverage(self) -> Path:
        """Numbers of listed and of available clips and videos."""
        return self.corpus / "coverage.json"

    @property
    def rejected(self) -> Path:
        """Rejected clips, with stage and reason."""
        return self.corpus / "rejected.csv"

    @property
    def dataset(self) -> Path:
        """Manifest of the clips with features."""
        return self.prepared / "dataset.csv"

    @property
    def clips(self) -> Path:
        """Folder of the clips, in which :func:`clip_file` places them."""
        return self.prepared / "clips"

    @property
    def features(self) -> Path:
        """Folder of feature files, in which :func:`clip_file` places them."""
        return self.prepared / "features"

    def clip(self, name: str) -> Path:
        """Return the video of a clip."""
        return clip_file(self.clips, name, ".mp4")

    def clip_features(self, name: str) -> Path:
        """Return the feature file of a clip."""
        return clip_file(self.features, name, ".safetensors")

    def shard(self, stage: str, index: int) -> Path:
        """Return the report of one job of the sharded stage `clips` or `features`."""
        return self.prepared / "shards" / f"{stage}-{index}.json"

    def store(self, index: int) -> Path:
        """Return the packed training clips of one shard."""
        return self.prepared / "store" / f"{index}.safetensors"

    @property
    def test(self) -> Path:
        """Manifest of the test clips."""
        return self.run / "test.csv"

    def weights(self, stage: str) -> Path:
        """Return the weights file of a training stage, written when it is finished."""
        return self.run / stage / "weights.safetensors"

    @property
    def speech(self) -> Path:
        """Folder of the trained speech encoder, which ``features.speech.encoder`` can name."""
        return self.run / "speech"

    def videos(self, method: str) -> Path:
        """Return the folder of test videos of a method that is no baseline (see ``dawn.methods.videos_folder``)."""
        return self.run / "videos" if method == "dawn" else self.run / "controls" / method

    def baseline_videos(self, baseline: str) -> Path:
        """Return the folder of test videos of a baseline."""
        return self.run / "baselines" / baseline

    def videos_report(self, method: str) -> Path:
        """Return the list (JSON) of the test videos of a method or baseline, with hashes."""
        return self.run / "generated" / f"{method}.json"

    def videos_shard(self, method: str, shard: int) -> Path:
        """Return the list (JSON) of the test videos of a method that one shard generated."""
        return self.run / "generated" / method / f"{shard}.json"

    def scores(self, method: str) -> Path:
        """Return the folder of scores of a method."""
        return self.run / "scores" / method
