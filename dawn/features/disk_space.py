"""Room on the disk: how much preparation will take, and whether that is there."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from dawn.config import Config
from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.paths import Paths

# Of a clip at the quality of dawn.media.video: above every measured value (docs/explanation/scale.md).
BYTES_A_PIXEL = 0.12
_SOUND = 128_000 / 8 / 25  # bytes a frame
_NUMBERS = 68 * 2 + 6 + 2 + 4 + 4  # float32 a frame, beside speech
_FILE = 4096  # headers, and the rest of a block
_LEAST = 200e6  # bytes that are left to others while preparation goes on


def needed(config: Config, frames: int, clips: int, stage: str) -> float:
    """Bytes that `stage` ("clips" or "features") writes for `clips` clips with `frames` frames together."""
    if stage == "clips":
        return frames * (BYTES_A_PIXEL * config.corpus.resolution**2 + _SOUND) + clips * _FILE
    return frames * (4 * (_NUMBERS + config.features.speech.dim) + 1) + clips * _FILE


def check_corpus(config: Config, paths: Paths, clips: Sequence[Clip]) -> None:
    """Raise InputError when the disk has no room for what of the clips and their features is still to come."""
    frames = sum(clip.frames for clip in clips)
    wanted = sum(needed(config, frames, len(clips), stage) for stage in ("clips", "features"))
    folders = [folder for folder in (paths.clips, paths.features) if folder.is_dir()]
    wanted -= sum(file.stat().st_size for folder in folders for file in folder.iterdir() if file.is_file())
    check_room(config, paths.clips, max(wanted, 0), f"preparing {len(clips)} clips")


def check_room(config: Config, folder: Path, wanted: float, what: str) -> None:
    """Raise InputError when the disk of `folder` has less than `wanted` bytes; `prepare.check_disk` turns that off."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    if config.prepare.check_disk and free < wanted + _LEAST:
        raise InputError(
            f"{folder}: {what} takes about {_size(wanted)}, and the disk has {_size(free)}; make room, or set "
            "prepare.check_disk to false"
        )


def of_full_disk(error: BaseException) -> bool:
    """Whether it is the operating system that says so."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turns the error of a full disk into an InputError that names `folder`."""
    try:
        yield
    except OSError as error:
        if of_full_disk(error):
            raise InputError(f"{folder}: the disk is full; make room and start again") from None
        raise


def _size(value: float) -> str:
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
