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
    paths_of = {stage: [paths.shard(stage, index) for index in shards] for stage in ("clips", "features")}
    reports = {path: read_json(path) for of_stage in paths_of.values() for path in of_stage}
    rejected = read_rejected(paths.corpus / "rejected.corpus.csv")
    rejected += [Rejected(**row) for report in reports.values() for row in report["rejected"]]
    files = {
        stage: {name: sha256 for path in of_stage for name, sha256 in reports[path]["files"].items()}
        for stage, of_stage in paths_of.items()
    }
    lengths: dict[str, int] = {}
    for path in paths_of["features"]:
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
            "digest": fingerprint(files),  # independent of the number of shards
            "clips": len(clips),
            "frames": sum(clip.frames for clip in clips),
            "rejected": len(rejected),
        },
    )


def _lengths(path: Path, report: dict[str, Any]) -> dict[str, int]:
    if "frames" not in report:
        raise InputError(f"{path}: written by an earlier version; extract the features again (dawn features)")
    return dict(report["frames"])
