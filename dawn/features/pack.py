"""Packing of the training clips of one shard of a corpus into one file, which training reads."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dawn.choices import StoreFormat
from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest
from dawn.errors import InputError
from dawn.features.dataset import feature_lengths
from dawn.features.disk_space import bytes_needed, check_disk_space
from dawn.features.encoders import encoder_version
from dawn.features.frame_store import FIELDS, KEY, ShardIndex, encode
from dawn.features.sources import pack_code
from dawn.features.store import SHAPES, Features
from dawn.features.unfinished import unfinished_files
from dawn.features.versions import extractor_version
from dawn.fingerprint import fingerprint
from dawn.media.files import disk_full_as_input_error, size_text
from dawn.media.json_files import read_json
from dawn.media.tensor_files import RowWriter
from dawn.media.video import iter_frames
from dawn.paths import Paths


def pack(config: Config, paths: Paths, shard: int) -> None:
    """Write ``store/<shard>.safetensors`` with frames and features of the shard's clips of the training split.

    Its size is printed before, and the free disk space checked. A file that is complete and up to date stays. Raises
    InputError when clips or features are missing or damaged, and when the disk is too small.
    """
    if config.data.store == "none":
        raise InputError("data.store is none: training reads the videos, and nothing is packed")
    target = paths.store(shard)
    clips = _training_clips(paths, shard)
    state = store_fingerprint(config, paths, shard)
    if target.is_file() and ShardIndex.read(target).fingerprint == state:
        target.touch()  # newer than what it was packed from, as the workflow expects
        return
    frames = sum(clip.frames for clip in clips)
    needed = bytes_needed(config, frames, len(clips), "store")
    purpose = f"packing {len(clips)} training clips of shard {shard} as {config.data.store}"
    print(f"{purpose}: {frames} frames, {size_text(needed)}", file=sys.stderr)
    check_disk_space(config, target, needed, purpose)
    with disk_full_as_input_error(target.parent), unfinished_files(target.with_suffix(".partial")) as folder:
        _write(config, paths, clips, state, folder / target.name)
        (folder / target.name).replace(target)


def store_fingerprint(config: Config, paths: Paths, shard: int) -> str:
    """Compute the fingerprint of settings, code and files that a shard is packed from."""
    reports = [read_json(paths.shard(stage, shard))["files"] for stage in ("clips", "features")]
    return fingerprint([config.data.store, config.corpus.resolution, pack_code(), *reports])


def _training_clips(paths: Paths, shard: int) -> list[Clip]:
    """List the shard's clips of the training split, with the lengths that their features have."""
    lengths = feature_lengths(paths.shard("features", shard))
    clips = [clip for clip in read_manifest(paths.manifest) if clip.split == "train" and clip.clip in lengths]
    return [dataclasses.replace(clip, frames=lengths[clip.clip]) for clip in clips]


def shard_writer(config: Config, clips: Sequence[Clip], state: str, out: Path) -> RowWriter:
    """Open the file `out` for the packed `clips`; `state` is its fingerprint."""
    side, frames = config.corpus.resolution, sum(clip.frames for clip in clips)
    packed: StoreFormat = "jpeg" if config.data.store == "jpeg" else "raw"
    shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    for name in FIELDS:
        of_row = tuple(config.features.speech.dim if size is None else size for size in SHAPES[name])
        shapes[name] = np.dtype(np.bool_ if name == "found" else np.float32), (frames, *of_row)
    if packed == "raw":
        shapes["frames"] = np.dtype(np.uint8), (frames, 3, side, side)
    else:
        shapes["offsets"] = np.dtype(np.int64), (frames + 1,)
    lengths = [(clip.clip, clip.frames) for clip in clips]
    encoder = encoder_version(config.features.speech)
    index = ShardIndex(packed, state, extractor_version(config.features), lengths, encoder)
    description = json.dumps(dataclasses.asdict(index))
    return RowWriter(out, shapes, KEY, description, tail=None if packed == "raw" else "frames")


def _write(config: Config, paths: Paths, clips: list[Clip], state: str, out: Path) -> None:
    """Write the file of the packed `clips`."""
    row = end = 0
    encoder = encoder_version(config.features.speech)
    with shard_writer(config, clips, state, out) as file:
        if config.data.store == "jpeg":
            file.write("offsets", 0, np.zeros(1, np.int64))
        for clip in tqdm(clips, desc="pack", unit="clip", mininterval=2, dynamic_ncols=True):
            features = Features.load(paths.clip_features(clip.clip))
            if features.encoder != encoder:
                raise InputError(
                    f"{clip.clip}: its speech features are of the encoder {features.encoder}, but "
                    f"features.speech.encoder is {encoder}; extract the features again (dawn features)"
                )
            frames_read = 0
            for frame in iter_frames(paths.clip(clip.clip), config.corpus.fps):
                frames_read += 1
                if frames_read > clip.frames:
                    break
                if config.data.store == "raw":
                    file.write("frames", row + frames_read - 1, frame.transpose(2, 0, 1)[None])
                else:
                    picture = encode(frame)
                    file.append(picture)
                    end += len(picture)
                    file.write("offsets", row + frames_read, np.asarray([end], np.int64))
            if not frames_read == clip.frames == len(features.found):
                raise InputError(
                    f"{clip.clip}: {frames_read} frames and features of {len(features.found)}, where {clip.frames} are "
                    "listed; extract the features again (dawn features)"
                )
            for name in FIELDS:
                file.write(name, row, getattr(features, name))
            row += clip.frames
