"""Dataset of a corpus: the clips whose features were extracted, and the list of all rejected clips."""

from __future__ import annotations

from dataclasses import replace

from dawn.config import Config
from dawn.corpora.manifest import Rejected, read_manifest, read_rejected, write_manifest, write_rejected
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths


def gather(config: Config, paths: Paths) -> None:
    """Write the manifest of the clips with features, its digest, and the list of all rejected clips.

    Raises InputError when every clip was rejected.
    """
    reports = [
        read_json(paths.shard(stage, index)) for stage in ("clips", "features") for index in range(config.corpus.shards)
    ]
    rejected = read_rejected(paths.corpus / "rejected.corpus.csv")
    rejected += [Rejected(**row) for report in reports for row in report["rejected"]]
    complete = {name for report in reports[config.corpus.shards :] for name in report["files"]}
    clips = []
    for clip in read_manifest(paths.manifest):
        if clip.clip in complete:
            frames = len(Features.load(paths.features / f"{clip.clip}.safetensors").found)
            clips.append(replace(clip, frames=frames, seconds=frames / config.corpus.fps))
    if not clips:
        raise InputError(f"{paths.corpus}: every clip was rejected; see {paths.rejected}")
    write_rejected(paths.rejected, rejected)
    write_manifest(paths.dataset, clips)
    write_json(
        paths.dataset.with_suffix(".json"),
        {
            "digest": fingerprint([report["files"] for report in reports]),
            "clips": len(clips),
            "frames": sum(clip.frames for clip in clips),
            "rejected": len(rejected),
        },
    )
