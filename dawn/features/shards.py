"""Clips and features of a whole corpus, in shards: each clip rendered or cropped once, decoded once, rejects recorded.

A shard takes every n-th clip of the manifest. Its report lists the files it made with their hashes and the clips it
rejected.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from dawn.config import Config
from dawn.corpora import make_clip
from dawn.corpora.manifest import Clip, Rejected, read_manifest, read_rejected, write_manifest, write_rejected
from dawn.errors import InputError
from dawn.features.extract import extract
from dawn.features.landmarks import FaceMesh
from dawn.features.portrait import find_box
from dawn.features.store import Features
from dawn.media.files import sha256_file
from dawn.paths import Paths
from dawn.provenance import digest, read_json, write_json
from dawn.weights import MissingWeights


def make_clips(config: Config, paths: Paths, index: int) -> None:
    """Write ``<clip>.mp4`` for the clips of shard `index`, and the shard's report."""
    clips = _shard(read_manifest(paths.manifest), config, index)
    with FaceMesh(config.features.detect_side, static=True) as mesh:
        finder = functools.partial(find_box, mesh)
        _each(
            clips,
            "clips",
            paths.shard("clips", index),
            lambda clip: paths.clips / f"{clip.clip}.mp4",
            lambda clip, out: make_clip(config.corpus, clip, paths.corpus, out, finder),
        )


def make_features(config: Config, paths: Paths, index: int) -> None:
    """Write ``features/<clip>.safetensors`` for the clips that shard `index` of :func:`make_clips` made."""
    made = read_json(paths.shard("clips", index))["files"]
    clips = [clip for clip in read_manifest(paths.manifest) if clip.clip in made]

    def one(clip: Clip, out: Path) -> None:
        extract(paths.clips / f"{clip.clip}.mp4", config.features, config.corpus.fps).save(out)

    _each(
        clips,
        "features",
        paths.shard("features", index),
        lambda clip: paths.features / f"{clip.clip}.safetensors",
        one,
    )


def gather(config: Config, paths: Paths) -> None:
    """Write the dataset (clips that came through), its digest, and everything that was rejected on the way."""
    reports = [
        read_json(paths.shard(stage, index)) for stage in ("clips", "features") for index in range(config.corpus.shards)
    ]
    rejected = read_rejected(paths.corpus / "rejected.corpus.csv")
    rejected += [Rejected(**row) for report in reports for row in report["rejected"]]
    through = {name for report in reports[config.corpus.shards :] for name in report["files"]}
    clips = []
    for clip in read_manifest(paths.manifest):
        if clip.clip in through:
            frames = len(Features.load(paths.features / f"{clip.clip}.safetensors").found)
            clips.append(replace(clip, frames=frames, seconds=frames / config.corpus.fps))
    if not clips:
        raise InputError(f"{paths.corpus}: every clip was rejected; see {paths.rejected}")
    write_rejected(paths.rejected, rejected)
    write_manifest(paths.dataset, clips)
    write_json(
        paths.dataset.with_suffix(".json"),
        {
            "digest": digest([report["files"] for report in reports]),
            "clips": len(clips),
            "frames": sum(clip.frames for clip in clips),
            "rejected": len(rejected),
        },
    )


def _shard(clips: list[Clip], config: Config, index: int) -> list[Clip]:
    if not 0 <= index < config.corpus.shards:
        raise InputError(f"shard {index} does not exist; corpus.shards = {config.corpus.shards}")
    return clips[index :: config.corpus.shards]


def _each(
    clips: list[Clip],
    stage: str,
    report: Path,
    target: Callable[[Clip], Path],
    make: Callable[[Clip, Path], None],
) -> None:
    files: dict[str, str] = {}
    rejected: list[Rejected] = []
    for clip in _progress(clips, stage):
        out = target(clip)
        try:
            make(clip, out)
            files[clip.clip] = sha256_file(out)
        except MissingWeights:
            raise  # no fault of the clip
        except InputError as error:
            rejected.append(Rejected(clip.clip, stage, str(error)))
    write_json(report, {"files": files, "rejected": [asdict(row) for row in rejected]})


def _progress(clips: list[Clip], stage: str) -> Iterator[Clip]:
    yield from tqdm(clips, desc=stage, unit="clip", mininterval=2, dynamic_ncols=True)
