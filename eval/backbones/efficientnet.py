"""EfficientNet-lite0 trained on ImageNet (Tan and Le 2019): image features where the FID Inception is not at hand.

A Fréchet distance on them is no FID and is not called one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dawn.errors import InputError
from dawn.weights import verified
from eval.backbones.cards import Card

NAME = "efficientnet-lite0-1280"
SIDE = 224


def weights_path() -> Path:
    """The checkpoint inside site-packages. Raises MissingWeights when its package is absent."""
    return verified("efficientnet-lite0").path


def make(card: Card) -> EfficientNetLite0:
    """The network of `card`. Raises MissingWeights."""
    return EfficientNetLite0()


class EfficientNetLite0:
    """(N, H, W, 3) uint8 RGB frames -> (N, 1280) float32 pooled features."""

    def __init__(self) -> None:
        from efficientnet_lite_pytorch import EfficientNet

        path = weights_path()
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._net = net.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8], batch: int = 16) -> NDArray[np.float32]:
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise InputError(f"EfficientNet takes uint8 (N, H, W, 3), got {frames.dtype} {frames.shape}")
        parts = [self._features(torch.from_numpy(frames[i : i + batch])) for i in range(0, len(frames), batch)]
        return torch.cat(parts).numpy() if parts else np.empty((0, 1280), np.float32)

    def _features(self, frames: Tensor) -> Tensor:
        x = frames.permute(0, 3, 1, 2).float()
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)  # as the lite networks were trained
        return self._net.extract_features(x).mean(dim=(2, 3))
