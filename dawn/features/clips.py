"""Clips of a dataset as prepared: videos, and features in one file each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dawn.corpora.manifest import Clip, read_manifest
from dawn.errors import InputError
from dawn.media.tensor_files import RowFile
from dawn.paths import Paths


class ClipStore:
    """Clips of a corpus that a manifest lists, with videos and features at `paths`.

    Of a video, the frames from the key frame before a wanted one are decoded, for each call; nothing is kept.
    """

    def __init__(self, clips: Sequence[Clip], paths: Paths) -> None:
        self._names = np.asarray([clip.clip for clip in clips], np.bytes_)  # a list takes several times the memory
        self._length = np.asarray([clip.frames for clip in clips])
        self._paths = paths
        with self._features(0) as file:
            self.extractor: str = file.description["extractor"]
            self.encoder: str = file.description["encoder"]

    def __len__(self) -> int:
        return len(self._names)

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        return int(self._length[index])

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read rows `which` of the feature `name` of clip `index`, one for each frame."""
        chosen = selected(which, self.length(index))
        with self._features(index) as file:
            try:
                rows = file.rows(name, min(chosen), max(chosen) + 1)
            except KeyError:
                raise InputError(
                    f"{self._name(index)}: its features have no {name!r}; extract them again (dawn features)"
                ) from None
        return torch.from_numpy(rows[np.asarray(chosen) - min(chosen)])

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Decode frames `which` of clip `index`, RGB uint8 (n, 3, S, S)."""
        from dawn.media.video import seek_frames  # imports PyAV, which only frames need

        frames = seek_frames(self._paths.clip(self._name(index)), selected(which, self.length(index)))
        return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))

    def _name(self, index: int) -> str:
        return bytes(self._names[index]).decode()

    def _features(self, index: int) -> RowFile:
        path = self._paths.clip_features(self._name(index))
        try:
            return RowFile(path, "features")
        except (OSError, ValueError):
            raise InputError(f"{path}: missing or damaged; extract the features again (dawn features)") from None


def clips_of_split(dataset: Path, split: str) -> list[Clip]:
    """Read the clips of one split from a manifest. Raises InputError when it has none."""
    clips = [clip for clip in read_manifest(dataset) if clip.split == split]
    if not clips:
        raise InputError(
            f"{dataset}: no clips in the {split} split; see rejected.csv of the corpus, and set its split (test_list, "
            "test_fraction; a single identity is in the training split)"
        )
    return clips


def selected(which: slice | Sequence[int], length: int) -> Sequence[int]:
    """Return the indices that `which` selects of `length` items."""
    return range(*which.indices(length)) if isinstance(which, slice) else which


def to_float(frames: Tensor) -> Tensor:
    """Convert uint8 images to float32 in [0, 1]."""
    return frames.float() / 255
