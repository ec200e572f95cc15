"""Clips and their features as training sees them: frames decoded once and kept in memory up to a limit."""

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
from dawn.media.video import load_frames

CACHE_BYTES = 4 * 1024**3


class ClipStore:
    """The usable clips of one split.

    Frames are RGB uint8 (n, 3, H, W). Whole clips are decoded on first use and the least recently used ones are
    dropped once the cache exceeds `cache_bytes`; what is returned never depends on the cache.
    """

    def __init__(self, dataset: Path, split: str | None, cache_bytes: int = CACHE_BYTES) -> None:
        self.folder = dataset.parent
        self.clips: list[Clip] = [clip for clip in read_manifest(dataset) if split in (None, clip.split)]
        if not self.clips:
            raise InputError(f"{dataset}: no clips in the {split} split; see rejected.csv beside the manifest")
        self._cache_bytes = cache_bytes
        self._frames: OrderedDict[int, Tensor] = OrderedDict()
        self._features: dict[int, Features] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def path(self, index: int) -> Path:
        """The clip's video."""
        return self.folder / f"{self.clips[index].clip}.mp4"

    def features(self, index: int) -> Features:
        """The clip's features, one row a frame."""
        if index not in self._features:
            self._features[index] = Features.load(self.folder / "features" / f"{self.clips[index].clip}.safetensors")
        return self._features[index]

    def length(self, index: int) -> int:
        """Frames of the clip."""
        return len(self.features(index).found)

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        """Frames `which` of clip `index`, uint8 (n, 3, H, W)."""
        if index in self._frames:
            self._frames.move_to_end(index)
        else:
            video = np.ascontiguousarray(load_frames(self.path(index)).transpose(0, 3, 1, 2))
            self._frames[index] = torch.from_numpy(video)
            while len(self._frames) > 1 and sum(f.nbytes for f in self._frames.values()) > self._cache_bytes:
                self._frames.popitem(last=False)
        return self._frames[index][which if isinstance(which, slice) else list(which)]


def to_float(frames: Tensor) -> Tensor:
    """uint8 images to float32 in [0, 1]."""
    return frames.float() / 255


def color_jitter(images: Tensor, strength: float, hue: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation and hue changed by one random draw, the same for all of `images`.

    images: float (..., 3, H, W) in [0, 1]; factors are uniform in [1 - strength, 1 + strength], the hue turns by up to
    `hue` of the circle. Cheap linear forms: the hue is a rotation about the grey axis.
    """
    u = torch.rand(4, generator=generator) * 2 - 1
    brightness, contrast, saturation = (1 + strength * u[:3]).tolist()
    angle = float(u[3]) * hue * 2 * torch.pi
    grey = images.new_tensor([0.299, 0.587, 0.114])
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    third, root = 1 / 3, float(np.sqrt(1 / 3))
    rotate = (
        cos * torch.eye(3)
        + (1 - cos) * third
        + sin * root * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    )
    desaturate = saturation * torch.eye(3) + (1 - saturation) * grey.expand(3, 3)
    matrix = brightness * contrast * desaturate @ rotate
    mean = (images * grey.view(3, 1, 1)).sum(-3, keepdim=True).mean((-2, -1), keepdim=True)
    turned = torch.einsum("ij,...jhw->...ihw", matrix, images)
    return (turned + brightness * (1 - contrast) * mean).clamp(0, 1)
