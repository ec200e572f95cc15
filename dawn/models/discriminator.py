"""Discriminators: of pose and blink sequences (paper A.2: a one-dimensional PatchGAN), and of images."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.errors import InputError

MIN_FRAMES = 24  # shorter sequences give no patch


class PatchDiscriminator(nn.Module):
    """Classifier of the patches of a sequence as real or generated; layers and widths as published."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(dim, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for inner, outer, stride in ((64, 128, 2), (128, 256, 2), (256, 256, 1)):
            layers += [
                nn.Conv1d(inner, outer, 4, stride=stride, padding=1),
                nn.BatchNorm1d(outer),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv1d(256, 1, 4, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (b, patches) of sequences (b, n, dim), about n / 8 patches; positive means real.

        Raises InputError for fewer than :data:`MIN_FRAMES` frames.
        """
        if x.shape[1] < MIN_FRAMES:
            raise InputError(
                f"the discriminator of pose and blink needs {MIN_FRAMES} frames, got {x.shape[1]}; "
                "raise pbnet.train.frames or reject shorter clips"
            )
        return self.layers(x.transpose(1, 2)).squeeze(1)


class ImageDiscriminator(nn.Module):
    """Classifier of the patches of an image, 46 pixels wide, as real or generated (PatchGAN, Isola et al. 2017)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        widths = (3, channels, 2 * channels, 4 * channels)
        self.blocks = nn.ModuleList(
            nn.Conv2d(inner, outer, 4, stride=2, padding=1) for inner, outer in pairwise(widths)
        )
        self.last = nn.Conv2d(widths[-1], 1, 4, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute logits (b, 1, h, w) of images (b, 3, S, S) in [0, 1], h = w = S / 8 - 1, and each block's features.

        Positive logits mean real.
        """
        x = 2 * images - 1
        features = []
        for block in self.blocks:
            x = F.leaky_relu(block(x), 0.2)
            features.append(x)
        return self.last(x), features


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Compute the mean binary cross-entropy of patch logits to one target: 1 for real, 0 for generated."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
