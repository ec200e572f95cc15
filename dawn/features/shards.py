"""Writing of clips and features of a whole corpus, in shards.

A clip's name decides its shard. The report of a shard lists the written files with their hashes, and the rejected
clips. An interrupted shard continues with the next clip; when clips are added to a corpus, only these are processed. A
clip that crashes its decoder, or exceeds the time limit, is rejected like any other.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import Clip, Rejected, read_manifest
from dawn.errors import InputError
from dawn.features.disk_space import bytes_needed, check_disk_space
from dawn.features.encoders import encoder_version
from dawn.features.journal import Journal
from dawn.features.sources import clips_code, features_code
from dawn.features.store import feature_length
from dawn.features.unfinished import unfinished_files
from dawn.features.worker import ClipRejected, OpenWriter, Worker, WriteClip
from dawn.fingerprint import fingerprint
from dawn.media.files import disk_full_as_input_error, sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths

_BASE_SECONDS = 60  # time limit of any clip, to which prepare.patience adds for each frame

Job = tuple[Clip, str]  # a clip, and the hash of the file that it is written from


def make_clips(config: Config, paths: Paths, index: int) -> None:
    """Write the videos of the clips of shard `index`, and the shard's report."""
    clips = _shard(read_manifest(paths.manifest), config, index)
    # The sections left out state which sources there are and how they are split; the source's hash is in the journal.
    settings = config.corpus.model_dump(exclude={"shards", "fetch", "demo", "folder", "crema"})
    key = fingerprint([settings, config.features.detect_side, clips_code(config.corpus.kind)])
    open_writer = functools.partial(_clip_writer, config, paths)
    run_stage(config, Stage("clips", paths, index, key), [(clip, clip.sha256) for clip in clips], open_writer)


def make_features(config: Config, paths: Paths, index: int) -> None:
    """Write the feature files of the clips that shard `index` of :func:`make_clips` wrote."""
    files = read_json(paths.shard("clips", index))["files"]
    jobs = [(clip, files[clip.clip]) for clip in read_manifest(paths.manifest) if clip.clip in files]
    settings = config.features.model_dump()
    settings["speech"]["encoder"] = encoder_version(config.features.speech)  # wherever its folder lies
    key = fingerprint([settings, config.corpus.fps, features_code()])
    open_writer = functools.partial(_feature_writer, config, paths)
    run_stage(config, Stage("features", paths, index, key), jobs, open_writer)


@dataclass(frozen=True)
class Stage:
    """One stage of one shard: name, files and fingerprint."""

    name: Literal["clips", "features"]
    paths: Paths
    index: int  # of the shard
    fingerprint: str  # of settings and code

    @property
    def folder(self) -> Path:
        """Folder of the files of all shards."""
        return self.paths.clips if self.name == "clips" else self.paths.features

    @property
    def former_folder(self) -> Path:
        """Folder in which earlier versions wrote all files, next to each other."""
        return self.paths.prepared if self.name == "clips" else self.paths.features

    def target(self, clip: str) -> Path:
        """Return the file of a clip."""
        return self.paths.clip(clip) if self.name == "clips" else self.paths.clip_features(clip)

    @property
    def report(self) -> Path:
        """Report of the files that the shard wrote and the clips that it rejected."""
        return self.paths.shard(self.name, self.index)


def run_stage(config: Config, stage: Stage, jobs: list[Job], open_writer: OpenWriter) -> None:
    """Write the file of every clip whose file is missing or outdated, then the report of the shard.

    Raises InputError or MissingWeights for faults that concern all clips; the journal keeps the outcomes up to then.
    """
    _move_files_of_earlier_versions(stage, jobs)
    journals = functools.partial(stage.report.parent.glob, f"{stage.name}-*.journal")
    journal = Journal(stage.report.with_suffix(".journal"), stage.fingerprint, stage.target, journals)
    recorded = {clip.clip: journal.outcome(clip.clip, source) for clip, source in jobs}
    outcomes = {name: outcome for name, outcome in recorded.items() if outcome is not None}
    pending = [(clip, source) for clip, source in jobs if clip.clip not in outcomes]
    needed = bytes_needed(config, sum(clip.frames for clip, _ in pending), len(pending), stage.name)
    check_disk_space(config, stage.folder, needed, f"{stage.name} of shard {stage.index}")
    with (
        disk_full_as_input_error(stage.folder),
        unfinished_files(stage.folder / f".shard-{stage.index}") as folder,
        Worker(open_writer) as worker,
    ):
        for clip, source in _progress(pending, stage.name, len(jobs)):
            check_disk_space(config, stage.folder, bytes_needed(config, clip.frames, 1, stage.name), clip.clip)
            target = stage.target(clip.clip)
            out = folder / target.name
            try:
                worker.write(clip, out, _BASE_SECONDS + config.prepare.patience * clip.frames)
                outcomes[clip.clip] = {"sha256": sha256_file(out)}
                target.parent.mkdir(parents=True, exist_ok=True)
                out.replace(target)
            except ClipRejected as error:
                outcomes[clip.clip] = {"reason": str(error)}
            journal.add(clip.clip, source, outcomes[clip.clip])
    ordered = [(clip.clip, outcomes[clip.clip]) for clip, _ in jobs]
    rejected = [Rejected(name, stage.name, row["reason"]) for name, row in ordered if "reason" in row]
    files = {name: row["sha256"] for name, row in ordered if "sha256" in row}
    report: dict[str, Any] = {"files": files, "rejected": [asdict(row) for row in rejected]}
    if stage.name == "features":
        report["frames"] = {name: feature_length(stage.target(name)) for name in files}
    write_json(stage.report, report)
    journal.finish((clip.clip, source, outcomes[clip.clip]) for clip, source in jobs)


def shard_of(clip: str, shards: int) -> int:
    """Return the shard of a clip, by a hash of its name: an added clip moves no other, and packed shards stay valid."""
    return int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8], "big") % shards


def _move_files_of_earlier_versions(stage: Stage, jobs: list[Job]) -> None:
    """Move the shard's files from the single folder in which earlier versions wrote those of all clips."""
    moved = 0
    for clip, _ in jobs:
        target = stage.target(clip.clip)
        former = stage.former_folder / target.name
        if former.is_file() and not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            former.replace(target)
            moved += 1
    if moved:
        print(f"{stage.former_folder}: moved {moved} files into the folders of {stage.folder}", file=sys.stderr)


def _shard(clips: list[Clip], config: Config, index: int) -> list[Clip]:
    if not 0 <= index < config.corpus.shards:
        raise InputError(f"shard {index} does not exist; corpus.shards = {config.corpus.shards}")
    return [clip for clip in clips if shard_of(clip.clip, config.corpus.shards) == index]


# Only the worker process imports the modules that these two functions need, not its parent.
@contextlib.contextmanager
def _clip_writer(config: Config, paths: Paths) -> Iterator[WriteClip]:
    from dawn.corpora.prepare import write_clip
    from dawn.corpora.registry import kind_of
    from dawn.features.landmarks import FaceLandmarker
    from dawn.features.portrait import ConfirmedBoxes

    root = kind_of(config.corpus).source_root(config.corpus, paths.corpus)
    if not root.is_dir():
        raise InputError(f"{root}: the folder of the videos is gone; mount it, or prepare the corpus again")
    with FaceLandmarker(config.features.detect_side, static=True) as landmarker:

        def write(clip: Clip, out: Path) -> None:
            find_box = ConfirmedBoxes(landmarker)
            write_clip(config.corpus, clip, paths.corpus, out, find_box)
            if find_box.unconfirmed:
                out.unlink()
                raise InputError(
                    f"{clip.source}: landmarks were found, but a second detector finds no face; show a person"
                )

        yield write


@contextlib.contextmanager
def _feature_writer(config: Config, paths: Paths) -> Iterator[WriteClip]:
    from dawn.features.extract import extract
    from dawn.features.speech import encode

    encode(np.zeros(16000, np.float32), 25, config.features.speech)  # an unusable encoder rejects no clip
    yield lambda clip, out: extract(paths.clip(clip.clip), config.features, config.corpus.fps).save(out)


def _progress(pending: list[Job], stage: str, total: int) -> Iterator[Job]:
    bar = tqdm(total=total, initial=total - len(pending), desc=stage, unit="clip", mininterval=2, dynamic_ncols=True)
    with bar:
        for job in pending:
            yield job
            bar.update()
