"""The A2V stages: targets of the frozen flow generator."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from dawn.config import Config, load
from dawn.features.store import Features
from dawn.models.diffusion import to_data
from dawn.models.lfg import LatentFlowGenerator
from dawn.training.a2v import A2vTask
from dawn.training.data import ClipStore
from dawn.training.share import Share


class Memory:
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


def test_regions_found_once_give_the_targets_of_regions_found_anew() -> None:
    config = load("config/demo.yaml")
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config.lfg.model)
    task = A2vTask(config, config.a2v.stage2, cast(ClipStore, Memory(config)), lfg)
    for step in range(2):  # the second batch meets regions that are kept
        batch, _ = task._batch(Share(0, "a2v_stage2", step, 8, range(8)))
        b, n = batch.frames.shape[:2]
        with torch.no_grad():
            flow, occlusion = lfg.motion(batch.source.repeat_interleave(n, 0), batch.frames.flatten(0, 1))
        wanted = to_data(flow.unflatten(0, (b, n)), occlusion.unflatten(0, (b, n)), config.a2v.diffusion)
        torch.testing.assert_close(task._targets(batch)[0], wanted, rtol=1e-4, atol=1e-4)
        assert float(wanted.std(dim=2).mean()) > 1e-4  # frames differ: a mix-up of frames would be seen
