"""Estimates and checks of the disk space that preparation needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dawn.config import Config
from dawn.corpora.manifest import Clip
from dawn.media.files import require_space
from dawn.paths import Paths

# Of a clip at the quality of dawn.media.video_writer: above every measured value (docs/explanation/scale.md).
BYTES_A_PIXEL = 0.12
JPEG_BYTES_A_PIXEL = 0.6  # of a packed frame, likewise
_AUDIO = 128_000 / 8 / 25  # bytes per frame
_VALUES = 68 * 2 + 6 + 2 + 52 + 4 * 13 + 4 + 4  # float32 per frame, without speech
_FILE = 4096  # bytes of headers and of the unused rest of a block
_SPARE = 200e6  # bytes that stay free during preparation, for other programs


def bytes_needed(config: Config, frames: int, clips: int, stage: str) -> float:
    """Estimate the bytes that `stage` writes for `clips` clips of `frames` frames in total.

    Stages are "clips", "features" and "store", the packed clips of the training split.
    """
    pixels = config.corpus.resolution**2
    if stage == "clips":
        return frames * (BYTES_A_PIXEL * pixels + _AUDIO) + clips * _FILE
    features = frames * (4 * (_VALUES + config.features.speech.dim) + 1) + clips * _FILE
    if stage == "features":
        return features
    return features + frames * pixels * {"raw": 3, "jpeg": JPEG_BYTES_A_PIXEL, "none": 0}[config.data.store]


def check_corpus_space(config: Config, paths: Paths, clips: Sequence[Clip]) -> None:
    """Raise InputError when the disk is too small for what preparation still has to write for the corpus."""
    frames = sum(clip.frames for clip in clips)
    total = sum(bytes_needed(config, frames, len(clips), stage) for stage in ("clips", "features"))
    if config.data.store != "none":
        packed = [clip for clip in clips if clip.split == "train"]
        total += bytes_needed(config, sum(clip.frames for clip in packed), len(packed), "store")
    files = (os.path.join(folder, name) for folder, _, names in os.walk(paths.prepared) for name in names)
    written = sum(os.stat(file).st_size for file in files)
    check_disk_space(config, paths.prepared, max(total - written, 0), f"preparing {len(clips)} clips")


def check_disk_space(config: Config, folder: Path, needed: float, purpose: str) -> None:
    """Raise InputError when the disk of `folder` has less than `needed` bytes; `prepare.check_disk` disables it."""
    if config.prepare.check_disk:
        smaller = "set data.store to jpeg, " if config.data.store == "raw" else ""
        remedy = f"make room, {smaller}or set prepare.check_disk to false"
        require_space(folder, needed, purpose, spare=_SPARE, remedy=remedy)
