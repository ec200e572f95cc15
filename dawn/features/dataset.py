"""Dataset of a corpus: the clips whose features were extracted, and the list of all rejected clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dawn.config import Config
from dawn.corpora.manifest import Rejected, read_manifest, read_rejected, write_manifest, write_rejected
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths


def feature_lengths(report: Path) -> dict[str, int]:
    """Read the number of frames of each clip with features from the report of a shard."""
    content = read_json(report)
    if "frames" not in content:
        raise InputError(f"{report}: written by an earlier version; extract the features again (dawn features)")
    return dict(content["frames"])


def gather(config: Config, paths: Paths) -> None:
    """Write the manifest of the clips with features, its digest, and the list of all rejected clips.

    Raises InputError when every clip was rejected.
    """
    reports = {
        stage: [read_json(paths.shard(stage, index)) for index in range(config.corpus.shards)]
        for stage in ("clips", "features")
    }
    rejected = read_rejected(paths.corpus / "rejected.corpus.csv")
    rejected += [Rejected(**row) for shards in reports.values() for report in shards for row in report["rejected"]]
    files = {
        stage: {name: sha256 for report in shards for name, sha256 in report["files"].items()}
        for stage, shards in reports.items()
    }
    lengths = {
        name: frames
        for index in range(config.corpus.shards)
        for name, frames in feature_lengths(paths.shard("features", index)).items()
    }
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
