"""Dataset of a corpus: the clips whose features were extracted, and the list of all rejected clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from dawn.config import Config
from dawn.corpora.manifest import Rejected, read_manifest, read_rejected, write_manifest, write_rejected
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths


def feature_lengths(report: Path) -> dict[str, int]:
    """Read the number of frames of each clip with features from the report of a shard."""
    return _lengths(report, read_json(report))


def gather(config: Config, paths: Paths) -> None:
    """Write the manifest of the clips with features, its digest, and the list of all rejected clips.

    Raises InputError when every clip was rejected.
    """
    shards = range(config.corpus.shards)
    files = [paths.shard(stage, index) for stage in ("clips", "features") for index in shards]
    reports = {path: read_json(path) for path in files}
    rejected = read_rejected(paths.corpus / "rejected.corpus.csv")
    rejected += [Rejected(**row) for report in reports.values() for row in report["rejected"]]
    lengths: dict[str, int] = {}
    for path in (paths.shard("features", index) for index in shards):
        lengths |= _lengths(path, reports[path])
    clips = [
        replace(clip, frames=lengths[clip.clip], seconds=lengths[clip.clip] / config.corpus.fps)
        for clip in read_manifest(paths.manifest)
        if clip.clip in lengths
    ]
    if not clips:
        raise InputError(f"{paths.corpus}: every clip was rejected; see {paths.rejected}")
    write_rejected(paths.rejected, rejected)
    write_manifest(paths.dataset, clips)
    write_json(
        paths.dataset.with_suffix(".json"),
        {
            "digest": fingerprint([report["files"] for report in reports.values()]),
            "clips": len(clips),
            "frames": sum(clip.frames for clip in clips),
            "rejected": len(rejected),
        },
    )


def _lengths(path: Path, report: dict[str, Any]) -> dict[str, int]:
    if "frames" not in report:
        raise InputError(f"{path}: written by an earlier version; extract the features again (dawn features)")
    return dict(report["frames"])
