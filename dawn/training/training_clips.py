"""Opening of a corpus' training and validation clips: packed, on a local disk where one is configured, or as videos.

Validation clips are clips of the training split that no training draws, chosen by ``data.validation_fraction``.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import Clip
from dawn.corpora.splits import hold_out
from dawn.errors import InputError
from dawn.features.clips import ClipStore, clips_of_split
from dawn.features.frame_store import FrameStore
from dawn.features.pack import store_fingerprint
from dawn.media.files import atomic_path, check_writable, disk_full_as_input_error, require_space, size_text
from dawn.paths import Paths

_COPY = re.compile(r"[0-9]+-[0-9a-f]{16}\.safetensors")  # name of a copy: shard and fingerprint


def training_clips(config: Config, paths: Paths) -> FrameStore | ClipStore:
    """Open the clips of the training split without those for validation.

    Raises InputError when there are none, and when a packed file is missing, damaged or not of the present files.
    """
    clips, _ = _divided(config, paths)
    return _opened(config, paths, clips)


def validation_clips(config: Config, paths: Paths) -> FrameStore | ClipStore:
    """Open the clips of the training split that no training draws; errors as in :func:`training_clips`."""
    _, clips = _divided(config, paths)
    return _opened(config, paths, clips)


def _divided(config: Config, paths: Paths) -> tuple[list[Clip], list[Clip]]:
    """Divide the training split into the clips that training draws, and those for validation.

    Raises InputError when it has too few clips.
    """
    clips = clips_of_split(paths.dataset, "train")
    fraction = config.data.validation_fraction
    if fraction and len(clips) < 2:
        raise InputError(
            f"{paths.dataset}: one clip in the train split; data.validation_fraction = {fraction} needs two or more: "
            "cut the videos into shorter ones"
        )
    held_out = hold_out((clip.clip for clip in clips), fraction, config.corpus.seed)
    return [clip for clip in clips if clip.clip not in held_out], [clip for clip in clips if clip.clip in held_out]


def _opened(config: Config, paths: Paths, clips: Sequence[Clip]) -> FrameStore | ClipStore:
    """Open clips of the training split."""
    if config.data.store == "none":
        return ClipStore(clips, paths)
    files = [paths.store(index) for index in range(config.corpus.shards)]
    store = FrameStore(clips, files)
    for index, (file, packed) in enumerate(zip(files, store.fingerprints, strict=True)):
        if packed != store_fingerprint(config, paths, index):
            raise InputError(f"{file}: packed from other files or settings; pack again (dawn pack --shard {index})")
    if config.data.cache:
        cache = Path(os.path.expandvars(config.data.cache)).expanduser()
        if "$" in str(cache):
            raise InputError(f"data.cache: {config.data.cache!r} has a variable that is not set")
        folder = cache / f"{config.corpus.name}-{config.corpus.resolution}"
        return FrameStore(clips, local_copies(files, store.fingerprints, folder))
    return store


def local_copies(files: Sequence[Path], fingerprints: Sequence[str], folder: Path) -> list[Path]:
    """Copy packed files to `folder` and return the copies; those of the same fingerprint stay.

    Copies of other fingerprints are deleted first: their files were packed anew, and the disk may not hold both.
    Processes of one machine wait for the first of them to copy. Raises InputError when the disk is too small.
    """
    copies = [
        folder / f"{file.stem}-{packed[:16]}.safetensors" for file, packed in zip(files, fingerprints, strict=True)
    ]
    check_writable(folder / "copying.lock")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "copying.lock"), disk_full_as_input_error(folder):
        for partial in folder.glob(".*.safetensors"):  # of processes that were killed
            partial.unlink()
        _delete_outdated(folder, copies)
        missing = [(file, copy) for file, copy in zip(files, copies, strict=True) if not copy.is_file()]
        size = sum(file.stat().st_size for file, _ in missing)
        require_space(folder, size, "copying the packed clips", remedy="make room, or leave out data.cache")
        with tqdm(total=size, desc="copy", unit="B", unit_scale=True, disable=not missing, dynamic_ncols=True) as bar:
            for file, copy in missing:
                with atomic_path(copy) as aside:
                    shutil.copyfile(file, aside)
                bar.update(file.stat().st_size)
    return copies


def _delete_outdated(folder: Path, copies: Sequence[Path]) -> None:
    """Delete the copies in `folder` that are not `copies`, and print that."""
    current = set(copies)
    outdated = sorted(path for path in folder.iterdir() if _COPY.fullmatch(path.name) and path not in current)
    if not outdated:
        return
    size = sum(path.stat().st_size for path in outdated)
    for path in outdated:
        path.unlink()
    names = outdated[0].name + (f" and {len(outdated) - 1} more" if len(outdated) > 1 else "")
    print(f"{folder}: deleted copies of clips that were packed anew since, {size_text(size)}: {names}", file=sys.stderr)
