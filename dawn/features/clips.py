"""Store of a dataset's clips with their features; decoded frames are cached in memory up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dawn.corpora.manifest import Clip, read_manifest
from dawn.errors import InputError
from dawn.features.store import Features

CACHE_BYTES = 4 * 1024**3  # of decoded frames


class ClipStore:
    """Clips of one split (None: all) listed in a manifest, with ``features/`` and videos in the manifest's folder.

    A clip is decoded whole on first use. The least recently used clips are dropped from the cache once it exceeds
    `cache_bytes`; results are independent of the cache. Raises InputError when the split has no clips.
    """

    def __init__(self, dataset: Path, split: str | None, cache_bytes: int = CACHE_BYTES) -> None:
        self.folder = dataset.parent
        self.clips: list[Clip] = [clip for clip in read_manifest(dataset) if split in (None, clip.split)]
        if not self.clips:
            raise InputError(f"{dataset}: no clips in the {split} split; see rejected.csv of the corpus")
        self._cache_bytes = cache_bytes
        self._frames: OrderedDict[int, Tensor] = OrderedDict()
        self._features: dict[int, Features] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def path(self, index: int) -> Path:
        """Return the video file of clip `index`."""
        return self.folder / f"{self.clips[index].clip}.mp4"

    def features(self, index: int) -> Features:
        """Load the features of clip `index`, one row for each frame."""
        if index not in self._features:
            self._features[index] = Features.load(self.folder / "features" / f"{self.clips[index].clip}.safetensors")
        return self._features[index]

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        return len(self.features(index).found)

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        """Decode frames `which` of clip `index`, RGB uint8 (n, 3, H, W)."""
        if index in self._frames:
            self._frames.move_to_end(index)
        else:
            from dawn.media.video import load_frames  # imports PyAV, which only frames need

            video = np.ascontiguousarray(load_frames(self.path(index)).transpose(0, 3, 1, 2))
            self._frames[index] = torch.from_numpy(video)
            while len(self._frames) > 1 and sum(f.nbytes for f in self._frames.values()) > self._cache_bytes:
                self._frames.popitem(last=False)
        return self._frames[index][which if isinstance(which, slice) else list(which)]


def to_float(frames: Tensor) -> Tensor:
    """Convert uint8 images to float32 in [0, 1]."""
    return frames.float() / 255
