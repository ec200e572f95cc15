"""Pixelwise flow: how every pixel moves, mixed from the motions of the regions (paper eq. 3; after MRAA)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import LfgModel
from dawn.errors import InputError
from dawn.models.hourglass import Hourglass
from dawn.models.regions import Regions, inverse
from dawn.models.warping import AntiAlias, coordinate_grid, warp

LATENT_SCALE = 0.25  # side of motion and latent code relative to the image (paper 3.2)


class Flow(NamedTuple):
    """Motion, with the parts that it was made from."""

    flow: Tensor  # (b, q, q, 2) absolute source positions (x, y)
    occlusion: Tensor  # (b, 1, q, q) in (0, 1); 1 takes the warped source, 0 what the decoder paints
    heatmaps: Tensor  # (b, K + 1, q, q) driving minus source regions; the background's are zero
    motions: Tensor  # (b, K + 1, q, q, 2) the candidates


class FlowPredictor(nn.Module):
    """Chooses for every pixel among K region motions and that of the background, and predicts occlusion."""

    def __init__(self, config: LfgModel) -> None:
        super().__init__()
        sizes = config.flow_predictor
        if sizes.scale != LATENT_SCALE:
            raise InputError(
                f"lfg.model.flow_predictor.scale must be {LATENT_SCALE}, the scale of the motion; got {sizes.scale:g}"
            )
        candidates = config.regions + 1
        self.hourglass = Hourglass(sizes, candidates * 4)
        self.mask = nn.Conv2d(self.hourglass.out_channels, candidates, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_channels, 1, 7, padding=3)
        self.down = AntiAlias(sizes.scale)
        self.aligned = config.aligned_sampling

    def forward(self, source: Tensor, source_regions: Regions, driving_regions: Regions, background: Tensor) -> Flow:
        """Motion from source (b, 3, S, S) to driving, q = S / 4; `background` is (b, 2, 3)."""
        small = self.down(source)
        h, w = small.shape[2:]
        grid = coordinate_grid(h, w, like=small)
        heatmaps = F.pad(
            gaussians(driving_regions.shift, driving_regions.covar, grid)
            - gaussians(source_regions.shift, source_regions.covar, grid),
            (0, 0, 0, 0, 1, 0),
        )
        motions = candidate_motions(source_regions, driving_regions, background, grid)
        # The candidates stand below one another in a tall grid: one call samples all of them.
        warped = warp(small, motions.flatten(1, 2), aligned=self.aligned).unflatten(2, (-1, h)).transpose(1, 2)
        features = self.hourglass(torch.cat([heatmaps[:, :, None], warped], dim=2).flatten(1, 2))
        # Both heads in one convolution: a single output channel costs as much as sixteen.
        weight, bias = (
            torch.cat([head.get_parameter(name) for head in (self.mask, self.occlusion)]) for name in ("weight", "bias")
        )
        heads = F.conv2d(features, weight, bias, padding=3)
        mask = F.softmax(heads[:, :-1], dim=1)
        flow = (mask[..., None] * motions).sum(dim=1)
        return Flow(flow, heads[:, -1:].sigmoid(), heatmaps, motions)


def gaussians(shift: Tensor, covar: Tensor, grid: Tensor) -> Tensor:
    """exp of minus half the squared Mahalanobis distance, (b, K, h, w), of a grid (h, w, 2) to b times K regions."""
    # Differences along x and along y separately: the full map appears only in the last sum.
    x = grid[0, :, 0] - shift[..., 0, None]
    y = grid[:, 0, 1] - shift[..., 1, None]
    precision = inverse(covar)
    xx, xy, yy = (precision[..., i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    distance = (xx * x**2)[:, :, None, :] + (yy * y**2)[:, :, :, None] + (2 * xy * x)[:, :, None, :] * y[..., None]
    return torch.exp(-0.5 * distance)


def candidate_motions(source: Regions, driving: Regions, background: Tensor, grid: Tensor) -> Tensor:
    """Source positions (b, K + 1, h, w, 2) of the grid (h, w, 2): of the background, then of each region.

    Region k maps z to C_k (z - driving mean) + source mean with C_k = A_source A_driving^-1, whose sign is chosen so
    that x does not flip: principal axes have no sign of their own.
    """
    change = source.affine @ inverse(driving.affine)
    change = torch.where(change[..., :1, :1] < 0, -change, change)
    offset = source.shift[..., None] - change @ driving.shift[..., None]
    maps = torch.cat([background[:, None], torch.cat([change, offset], dim=-1)], dim=1)
    h, w, _ = grid.shape
    homogeneous = F.pad(grid.flatten(0, 1), (0, 1), value=1.0)
    return (homogeneous @ maps.flatten(1, 2).transpose(1, 2)).unflatten(1, (h, w)).unflatten(3, (-1, 2)).movedim(3, 1)
