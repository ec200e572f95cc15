"""Discriminator of pose and blink sequences (paper A.2: a one-dimensional PatchGAN)."""

from __future__ import annotations

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
