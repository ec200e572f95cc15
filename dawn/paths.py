"""Where everything lies: the one place that knows file names, for commands and workflow alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawn.config import Config

TTR = ("ttr_sparse", "ttr_dense")  # what the strategy of that name needs besides
STAGES = ("lfg", "pbnet", "a2v_stage1", "a2v_stage2", *TTR)
METHODS = ("dawn", "still", "other_speech", "commanded")  # DAWN and its controls
STRATEGIES = ("sar", "ttr", "ar")  # time covered in other ways (paper 4.3)
ASKED = (*STRATEGIES, "reenact", "styled")  # made and measured where asked for


@dataclass(frozen=True)
class Paths:
    """Files of one configuration below the folders `data` and `results`."""

    corpus: Path  # data/<corpus>
    clips: Path  # data/<corpus>/<resolution>
    run: Path  # results/<run>

    @classmethod
    def of(cls, config: Config, data: Path = Path("data"), results: Path = Path("results")) -> Paths:
        corpus = data / config.corpus.name
        return cls(corpus, corpus / str(config.corpus.resolution), results / config.name)

    @property
    def manifest(self) -> Path:
        """All clips of the corpus."""
        return self.corpus / "clips.csv"

    @property
    def coverage(self) -> Path:
        """Of how many clips and videos that are listed, how many there are."""
        return self.corpus / "coverage.json"

    @property
    def rejected(self) -> Path:
        """Clips that fell out, with stage and reason."""
        return self.corpus / "rejected.csv"

    @property
    def dataset(self) -> Path:
        """Clips that came through, as a manifest."""
        return self.clips / "dataset.csv"

    @property
    def features(self) -> Path:
        """Folder of feature files."""
        return self.clips / "features"

    def shard(self, stage: str, index: int) -> Path:
        """Report of one job of the sharded stage `clips` or `features`."""
        return self.clips / "shards" / f"{stage}-{index}.json"

    @property
    def test(self) -> Path:
        """The clips that are measured, as a manifest."""
        return self.run / "test.csv"

    def weights(self, stage: str) -> Path:
        """Networks of a finished training stage."""
        return self.run / stage / "weights.safetensors"

    def videos(self, method: str) -> Path:
        """Folder of generated test videos: DAWN's own, those of a control or strategy, or those of a baseline."""
        if method == "dawn":
            return self.run / "videos"
        return self.run / ("controls" if method in (*METHODS, *ASKED) else "baselines") / method

    def videos_report(self, method: str) -> Path:
        """What is in that folder, with hashes."""
        return self.run / "generated" / f"{method}.json"

    def scores(self, method: str) -> Path:
        """Folder of one method's measurements."""
        return self.run / "scores" / method
