"""The face-region embedder of the diffusion model (paper 3.3, "embedded with a lightweight convolutional network")."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FaceMaskEmbedder(nn.Module):
    """Two convolutions of stride 2, each followed by a ReLU: image resolution to latent resolution."""

    def __init__(self, channels: tuple[int, int] = (8, 16)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 3, stride=2, padding=1)

    def forward(self, mask: Tensor) -> Tensor:
        """Mask (b, 1, S, S), 1 inside the face, to (b, channels[1], S / 4, S / 4), not negative."""
        return F.relu(self.conv2(F.relu(self.conv1(mask))))
