"""Masks of face regions, for networks and losses, and the face-mask embedder of the denoiser (paper 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def box_mask(boxes: Tensor, side: int, out_side: int) -> Tensor:
    """Rasterise boxes (n, 4), pixels of frames of `side` pixels, to masks float32 (n, out_side, out_side), 1 inside.

    Boxes (n, k, 4) give the union of the k boxes of each frame. In mask pixels, the first row and column are the
    truncated low corner, the last ones (inclusive) the truncated high corner plus one, as published. The published mask
    divides x by the height and y by the width; here x is divided by the width.
    """
    if boxes.ndim == 2:
        boxes = boxes[:, None]
    scaled = boxes.float() * (out_side / side)
    low, high = torch.trunc(scaled[..., :2]), torch.trunc(scaled[..., 2:] + 1)
    index = torch.arange(out_side, device=boxes.device)
    inside = (index >= low[..., None]) & (index <= high[..., None])  # (n, k, 2, out_side): x, y
    return (inside[..., 1, :, None] & inside[..., 0, None, :]).any(dim=1).float()


class FaceMaskEmbedder(nn.Module):
    """Two convolutions of stride 2, each followed by a ReLU, from image to latent resolution (paper 3.3)."""

    def __init__(self, channels: tuple[int, int] = (8, 16)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 3, stride=2, padding=1)

    def forward(self, mask: Tensor) -> Tensor:
        """Embed masks (b, 1, S, S), 1 inside the face, to (b, channels[1], S / 4, S / 4), non-negative."""
        return F.relu(self.conv2(F.relu(self.conv1(mask))))
