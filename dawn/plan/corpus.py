"""Size of a corpus: from its manifest, from given numbers, or as published."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml
from pydantic import Field

from dawn.config import Config, Section
from dawn.corpora.manifest import read_manifest
from dawn.corpora.registry import kind_of
from dawn.errors import InputError
from dawn.paths import Paths

FPS = 25
TEST_CLIPS = 1 / 9  # of the training clips, where only these are given (paper 4.1: 9:1)

_DATA = Path(__file__).with_name("corpora.yaml")


class CorpusSize(Section):
    """Clips of both splits and their mean length."""

    train: int = Field(ge=1)  # clips
    test: int = Field(ge=0)  # clips
    frames: float = Field(gt=0)  # mean of a clip
    source: str

    @property
    def hours(self) -> float:
        """Hours of the training clips."""
        return self.train * self.frames / FPS / 3600


@functools.cache
def published() -> dict[str, CorpusSize]:
    """Read ``corpora.yaml``, by kind of corpus."""
    tree = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return {kind: CorpusSize.model_validate(values) for kind, values in tree.items()}


def corpus_size(
    config: Config, paths: Paths, clips: int | None = None, frames: float | None = None, hours: float | None = None
) -> CorpusSize:
    """Return the size of a configuration's corpus.

    `clips` training clips of `frames` frames each, or of `hours` hours together, take precedence; then the manifest
    that preparation has written, the embedded corpus' settings, and the published size of the kind or, for a folder, of
    ``evaluate.paper_dataset``. Raises InputError where none
    gives a number, and for `frames` together with `hours`.
    """
    if frames is not None and hours is not None:
        raise InputError("--frames and --hours both give the length of the clips; give one of them")
    known = _prepared(paths) or _known(config)
    if clips is None and frames is None and hours is None:
        if known is None:
            raise InputError(
                f"{paths.manifest}: absent, and corpora of kind {config.corpus.kind} have no published size; give "
                "--clips with --frames or --hours"
            )
        return known
    train = clips or (known.train if known else None)
    if train is None:
        raise InputError(f"{paths.manifest}: absent; give --clips, the number of training clips")
    length = frames or (hours * 3600 * FPS / train if hours else None) or (known.frames if known else None)
    if length is None:
        raise InputError(f"{paths.manifest}: absent; give --frames, the mean of a clip, or --hours, of all clips")
    test = known.test if known and clips is None else round(train * TEST_CLIPS)
    return CorpusSize(train=train, test=test, frames=length, source="as given on the command line")


def _prepared(paths: Paths) -> CorpusSize | None:
    """Return the size of the prepared corpus: of the clips with features, else of all listed ones."""
    manifest = next((path for path in (paths.dataset, paths.manifest) if path.is_file()), None)
    if manifest is None:
        return None
    clips = read_manifest(manifest)
    train = sum(clip.split == "train" for clip in clips)
    if not train:
        raise InputError(f"{manifest}: no training clip")
    frames = sum(clip.frames for clip in clips) / len(clips)
    return CorpusSize(train=train, test=len(clips) - train, frames=frames, source=str(manifest))


def _known(config: Config) -> CorpusSize | None:
    declared = kind_of(config.corpus).declared_size(config.corpus)
    if declared is not None:
        train, test, frames = declared
        return CorpusSize(train=train, test=test, frames=frames, source=f"corpus.{config.corpus.kind}")
    # Else as published; a folder may have the videos of a published corpus.
    return published().get(config.corpus.kind) or published().get(config.evaluate.paper_dataset or "")
