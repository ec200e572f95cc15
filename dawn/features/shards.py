"""Clips and features of a whole corpus, in shards: each clip rendered or cropped once, decoded once, rejects recorded.

A shard takes every n-th clip of the manifest. Its report lists the files it made with their hashes and the clips it
rejected. A shard that was killed goes on where it was; where clips were added to a corpus, only these are made. A clip
that crashes its reader, or keeps it for too long, is a reject like any other.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import Clip, Rejected, read_manifest
from dawn.errors import InputError
from dawn.features.disk_space import check_room, full_disk_told, needed
from dawn.features.journal import Journal
from dawn.features.sources import CLIPS, FEATURES
from dawn.features.worker import Failed, Make, Open, Worker
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths

_LEAST_SECONDS = 60  # for any clip, however short


def make_clips(config: Config, paths: Paths, index: int) -> None:
    """Write ``<clip>.mp4`` for the clips of shard `index`, and the shard's report."""
    every = read_manifest(paths.manifest)
    items = [(clip, clip.sha256) for clip in _shard(every, config, index)]
    cause = fingerprint(
        [config.corpus.model_dump(exclude={"shards", "fetch"}), config.features.detect_side, code_fingerprint(*CLIPS)]
    )
    opener = functools.partial(_clip_maker, config, paths)
    _each(config, _Stage("clips", paths, index, paths.clips, ".mp4", cause), items, opener)


def make_features(config: Config, paths: Paths, index: int) -> None:
    """Write ``features/<clip>.safetensors`` for the clips that shard `index` of :func:`make_clips` made."""
    made = read_json(paths.shard("clips", index))["files"]
    items = [(clip, made[clip.clip]) for clip in read_manifest(paths.manifest) if clip.clip in made]
    cause = fingerprint([config.features.model_dump(), config.corpus.fps, code_fingerprint(*FEATURES)])
    opener = functools.partial(_feature_maker, config, paths)
    _each(config, _Stage("features", paths, index, paths.features, ".safetensors", cause), items, opener)


def _shard(clips: list[Clip], config: Config, index: int) -> list[Clip]:
    if not 0 <= index < config.corpus.shards:
        raise InputError(f"shard {index} does not exist; corpus.shards = {config.corpus.shards}")
    return clips[index :: config.corpus.shards]


# What these need is loaded by the process that makes clips, not by the one that survives it.
@contextlib.contextmanager
def _clip_maker(config: Config, paths: Paths) -> Iterator[Make]:
    from dawn.corpora.prepare import write_clip
    from dawn.corpora.registry import kind_of
    from dawn.features.landmarks import FaceMesh
    from dawn.features.portrait import Finder

    root = kind_of(config.corpus).source_root(config.corpus, paths.corpus)
    if not root.is_dir():
        raise InputError(f"{root}: the folder of the videos is gone; mount it, or prepare the corpus again")
    with FaceMesh(config.features.detect_side, static=True) as mesh:

        def make(clip: Clip, out: Path) -> None:
            finder = Finder(mesh)
            write_clip(config.corpus, clip, paths.corpus, out, finder)
            if finder.doubtful:
                out.unlink()
                raise InputError(
                    f"{clip.source}: landmarks were found, but a second detector sees no face; show a person"
                )

        yield make


@contextlib.contextmanager
def _feature_maker(config: Config, paths: Paths) -> Iterator[Make]:
    from dawn.features.extract import extract
    from dawn.features.speech import encode

    encode(np.zeros(16000, np.float32), 25, config.features.speech)  # no clip's fault when it cannot be used
    yield lambda clip, out: extract(paths.clips / f"{clip.clip}.mp4", config.features, config.corpus.fps).save(out)


@dataclass(frozen=True)
class _Stage:
    """One stage of one shard."""

    name: str
    paths: Paths
    index: int
    folder: Path  # of what it makes
    suffix: str
    cause: str  # digest of settings and code

    @property
    def report(self) -> Path:
        return self.paths.shard(self.name, self.index)

    def target(self, clip: str) -> Path:
        return self.folder / f"{clip}{self.suffix}"


def _each(config: Config, stage: _Stage, items: list[tuple[Clip, str]], opener: Open) -> None:
    """Make the file of every clip that has none yet; `items` are clips and the digests of what they are made from."""
    beside = stage.report.parent.glob(f"{stage.name}-*.journal")
    journal = Journal(stage.report.with_suffix(".journal"), stage.cause, stage.target, beside)
    outcomes = {clip.clip: made for clip, source in items if (made := journal.known(clip.clip, source)) is not None}
    left = [(clip, source) for clip, source in items if clip.clip not in outcomes]
    _clear(stage, items)
    wanted = needed(config, sum(clip.frames for clip, _ in left), len(left), stage.name)
    check_room(config, stage.folder, wanted, f"{stage.name} of shard {stage.index}")
    with full_disk_told(stage.folder), Worker(opener) as worker:
        for clip, source in _progress(left, stage.name, len(items)):
            check_room(config, stage.folder, needed(config, clip.frames, 1, stage.name), clip.clip)
            out = stage.target(clip.clip)
            try:
                worker.make(clip, out, _LEAST_SECONDS + config.prepare.patience * clip.frames)
                outcomes[clip.clip] = {"sha256": sha256_file(out)}
            except Failed as error:
                outcomes[clip.clip] = {"reason": str(error)}
            journal.add(clip.clip, source, outcomes[clip.clip])
    _clear(stage, items)
    every = [(clip.clip, outcomes[clip.clip]) for clip, _ in items]
    rejected = [Rejected(name, stage.name, row["reason"]) for name, row in every if "reason" in row]
    files = {name: row["sha256"] for name, row in every if "sha256" in row}
    write_json(stage.report, {"files": files, "rejected": [asdict(row) for row in rejected]})
    journal.settle((clip.clip, source, outcomes[clip.clip]) for clip, source in items)


def _clear(stage: _Stage, items: list[tuple[Clip, str]]) -> None:
    """Remove what processes that were killed had begun."""
    ours = {clip.clip for clip, _ in items}
    for path in stage.folder.glob(f".*{stage.suffix}"):
        if path.name[1:].removesuffix(stage.suffix).rpartition(".")[0] in ours:
            path.unlink(missing_ok=True)


def _progress(left: list[tuple[Clip, str]], stage: str, total: int) -> Iterator[tuple[Clip, str]]:
    bar = tqdm(total=total, initial=total - len(left), desc=stage, unit="clip", mininterval=2, dynamic_ncols=True)
    with bar:
        for item in left:
            yield item
            bar.update()
