"""Clips and features in memory, without files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.config import Config
from dawn.features.store import Features


def features_of(frames: int, **given: NDArray[np.float32]) -> Features:
    """Features of a clip with a face in every frame: the arrays `given`, and zeros for the others."""
    shapes: dict[str, tuple[int, ...]] = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "blendshapes": (52,)}
    shapes |= {"speech": (0,), "mfcc": (4, 13), "face_box": (4,), "mouth_box": (4,)}
    arrays = {name: np.zeros((frames, *shape), np.float32) for name, shape in shapes.items()}
    return Features(**arrays | given, found=np.ones(frames, np.bool_), extractor="test", encoder="logmel", fps=25.0)


class InMemoryClips:
    """Two clips of random frames and features, with the interface of a clip store."""

    extractor = "test"
    encoder = "logmel"

    def __init__(self, config: Config, frames: int = 14) -> None:
        rng = np.random.default_rng(0)
        side = config.corpus.resolution
        self._frames = torch.from_numpy(rng.integers(0, 256, (2, frames, 3, side, side), dtype=np.uint8))
        self._features = [
            features_of(
                frames,
                landmarks=rng.uniform(8, side - 8, (frames, 68, 2)).astype(np.float32),
                pose=rng.normal(size=(frames, 6)).astype(np.float32),
                blink=rng.uniform(0, 0.4, (frames, 2)).astype(np.float32),
                speech=rng.normal(size=(frames, config.features.speech.dim)).astype(np.float32),
                face_box=np.tile(np.float32([8, 8, side - 8, side - 8]), (frames, 1)),
                mouth_box=np.tile(np.float32([20, 30, 40, 44]), (frames, 1)),
            )
            for _ in range(2)
        ]

    def __len__(self) -> int:
        return 2

    def length(self, index: int) -> int:
        return self._frames.shape[1]

    def features(self, index: int) -> Features:
        return self._features[index]

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        rows = torch.from_numpy(getattr(self._features[index], name))
        return rows[which if isinstance(which, slice) else list(which)]

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        return self._frames[index][which if isinstance(which, slice) else list(which)]
