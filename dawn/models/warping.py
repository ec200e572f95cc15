"""Image geometry of the latent flow generator: sampling grids, warping, resizing and anti-aliased reduction.

Grids are (x, y) in [-1, 1] with the corner pixels at -1 and 1. The published networks nevertheless sample as if -1 and
1 were the outer edges of the image: the identity grid enlarges the image, by 1 / 32 at 128 pixels, and darkens its
border. Their weights depend on it. With `aligned`, sampling and resizing agree with the grids, the identity grid leaves
an image unchanged, and positions outside it have the values of its border: a head that turns would otherwise draw
darkness into the picture.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.models.constants import ConstantBuffers


def coordinate_grid(h: int, w: int, like: Tensor) -> Tensor:
    """Build the identity grid (h, w, 2), with dtype and device of `like`."""
    x = torch.linspace(-1, 1, w, dtype=like.dtype, device=like.device)
    y = torch.linspace(-1, 1, h, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def warp(
    x: Tensor,
    grid: Tensor,
    padding: Literal["reflection"] | None = None,
    aligned: bool = False,
    mode: Literal["bilinear", "bicubic"] = "bilinear",
) -> Tensor:
    """Sample x (b or 1, c, H, W) at the positions `grid` (b, h, w, 2): (b, c, h, w).

    Positions outside x have the values that `padding` gives, by default zero, or with `aligned` those of the border.
    Bicubic samples can lie outside the range of x.
    """
    x, outside = x.expand(grid.shape[0], -1, -1, -1), padding or ("border" if aligned else "zeros")
    return F.grid_sample(x, grid, mode=mode, padding_mode=outside, align_corners=aligned)


def resize(x: Tensor, side: int, aligned: bool = False) -> Tensor:
    """Interpolate (b, c, h, h) bilinearly to (b, c, side, side), without anti-aliasing."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=aligned)


class AntiAlias(ConstantBuffers):
    """Gaussian blur and subsampling to `scale` = 1 / n of the size; the kernel is fixed (``weight``).

    The standard deviation is (1 / scale - 1) / 2 pixels, the border is padded with zeros, sampling starts at pixel 0.
    Raises InputError for other scales.
    """

    weight: Tensor

    def __init__(self, scale: float, channels: int = 3) -> None:
        super().__init__()
        self.stride = round(1 / scale)
        if self.stride < 2 or abs(self.stride * scale - 1) > 1e-6:
            raise InputError(f"an image can be reduced to 1/2, 1/3, 1/4, ... of its size, not {scale:g}")
        sigma = (self.stride - 1) / 2
        reach = round(4 * sigma)
        offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
        line = torch.exp(-(offset**2) / (2 * sigma**2))
        kernel = line[:, None] * line[None, :]
        self.register_buffer("weight", (kernel / kernel.sum()).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (b, channels, h, w) to (b, channels, h * scale, w * scale)."""
        reach = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, stride=self.stride, padding=reach, groups=self.weight.shape[0])


def reduction(scale: float) -> nn.Module:
    """Build :class:`AntiAlias` for RGB images, or the identity at scale 1."""
    return nn.Identity() if scale == 1 else AntiAlias(scale)
