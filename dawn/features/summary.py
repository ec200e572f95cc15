"""One line on what a command of preparation wrote: clips, people, hours, rejected clips with reasons, and the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from dawn.config import Config
from dawn.corpora.manifest import SPLITS, Clip, Rejected, read_manifest, read_rejected
from dawn.corpora.rejections import frequent_reasons
from dawn.media.files import size_text
from dawn.media.json_files import read_json
from dawn.paths import Paths


def corpus_line(paths: Paths) -> str:
    """Summarise what ``dawn corpus`` wrote."""
    return _of_manifest(paths.manifest, paths.corpus / "rejected.corpus.csv")


def dataset_line(paths: Paths) -> str:
    """Summarise what ``dawn dataset`` wrote."""
    return _of_manifest(paths.dataset, paths.rejected)


def shard_line(config: Config, paths: Paths, stage: str, index: int) -> str:
    """Summarise one shard of the stage ``clips`` or ``features``."""
    path = paths.shard(stage, index)
    report = read_json(path)
    seconds = sum(report["frames"].values()) / config.corpus.fps if "frames" in report else None
    counted = _counted(_named(paths, report["files"]), seconds)
    rejected = _rejected([Rejected(**row) for row in report["rejected"]], path)
    folder = {"clips": paths.clips, "features": paths.features}[stage]
    return f"{folder}: shard {index} of {config.corpus.shards}, {counted}; {rejected}"


def pack_line(config: Config, paths: Paths, index: int) -> str:
    """Summarise one shard of packed training clips."""
    from dawn.features.frame_store import ShardIndex  # imports torch, which the other commands do without

    path = paths.store(index)
    lengths = dict(ShardIndex.read(path).clips)
    counted = _counted(_named(paths, lengths), sum(lengths.values()) / config.corpus.fps)
    return f"{path}: {counted} for training, {size_text(path.stat().st_size)}"


def _of_manifest(manifest: Path, rejected: Path) -> str:
    clips = read_manifest(manifest)
    splits = Counter(clip.split for clip in clips)
    parts = ", ".join(f"{splits[split]} {split}" for split in SPLITS)
    return f"{manifest}: {_counted(clips)} ({parts}); {_rejected(read_rejected(rejected), rejected)}"


def _named(paths: Paths, names: Collection[str]) -> list[Clip]:
    return [clip for clip in read_manifest(paths.manifest) if clip.clip in names]


def _counted(clips: Iterable[Clip], seconds: float | None = None) -> str:
    """Count clips, people and hours; `seconds` is their total length, by default that of the manifest."""
    clips = list(clips)
    hours = (sum(clip.seconds for clip in clips) if seconds is None else seconds) / 3600
    people = len({clip.identity for clip in clips})
    length = f"{hours:.2f}" if hours >= 1 else f"{hours:.2g}"
    return f"{_number(len(clips), 'clip', 'clips')} of {_number(people, 'person', 'people')}, {length} hours"


def _rejected(rows: Sequence[Rejected], path: Path) -> str:
    return f"{len(rows)} rejected ({path}): {frequent_reasons(rows)}" if rows else "none rejected"


def _number(count: int, singular: str, plural: str) -> str:
    return f"{count} {singular if count == 1 else plural}"
