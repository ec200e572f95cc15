"""Clips and features that exist in memory alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.config import Config
from dawn.features.store import Features


def features_of(frames: int, **given: NDArray[np.float32]) -> Features:
    """Features of a clip in which every frame has a face: those `given`, and zeros."""
    shapes = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "speech": (0,), "face_box": (4,), "mouth_box": (4,)}
    arrays = {name: np.zeros((frames, *shape), np.float32) for name, shape in shapes.items()}
    return Features(**arrays | given, found=np.ones(frames, np.bool_), extractor="test", encoder="none", fps=25.0)


class InMemoryClips:
    """Two clips of noise, with the interface of a clip store."""

    def __init__(self, config: Config, frames: int = 14) -> None:
        rng = np.random.default_rng(0)
        side = config.corpus.resolution
        self.video = torch.from_numpy(rng.integers(0, 256, (2, frames, 3, side, side), dtype=np.uint8))
        self.every = [
            Features(
                landmarks=rng.uniform(8, side - 8, (frames, 68, 2)).astype(np.float32),
                pose=rng.normal(size=(frames, 6)).astype(np.float32),
                blink=rng.uniform(0, 0.4, (frames, 2)).astype(np.float32),
                speech=rng.normal(size=(frames, config.features.speech.dim)).astype(np.float32),
                face_box=np.tile(np.float32([8, 8, side - 8, side - 8]), (frames, 1)),
                mouth_box=np.tile(np.float32([20, 30, 40, 44]), (frames, 1)),
                found=np.ones(frames, np.bool_),
                extractor="test",
                encoder="test",
                fps=25.0,
            )
            for _ in range(2)
        ]

    def __len__(self) -> int:
        return 2

    def length(self, index: int) -> int:
        return self.video.shape[1]

    def features(self, index: int) -> Features:
        return self.every[index]

    def frames(self, index: int, which: list[int] | slice = slice(None)) -> Tensor:
        return self.video[index][which]
