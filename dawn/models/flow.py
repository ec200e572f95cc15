"""Prediction of pixelwise flow: the motion of every pixel as a mixture of region motions (paper eq. 3; after MRAA)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dawn.config import LfgModel
from dawn.errors import InputError
from dawn.models.hourglass import Hourglass
from dawn.models.regions import Regions, compose, inverse, squared_distance
from dawn.models.warping import AntiAlias, coordinate_grid, warp
from dawn.precision import unlowered, widened

LATENT_SCALE = 0.25  # side of motion and latent code relative to the image (paper 3.2)


class Flow(NamedTuple):
    """Motion of a driving frame, and the inputs of its mixture."""

    flow: Tensor  # (b, q, q, 2) absolute source positions (x, y)
    occlusion: Tensor  # (b, 1, q, q) in (0, 1); 1 takes the warped source, 0 the output of the decoder
    heatmaps: Tensor  # (b, K + 1, q, q) driving minus source regions; the background's are zero
    motions: Tensor  # (b, K + 1, q, q, 2) candidate source positions


class FlowPredictor(nn.Module):
    """Predictor of flow, a per-pixel mixture of K region motions and the background motion, and of occlusion."""

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
        """Predict the motion from source (b, 3, S, S) to driving regions, q = S / 4; `background` is (b, 2, 3)."""
        with unlowered(source.device):
            small = self.down(source)
        h, w = small.shape[2:]
        grid = coordinate_grid(h, w, like=small)
        # Inputs of the hourglass for each candidate k: driving minus source Gaussian, and the source warped by k.
        heatmaps = F.pad(
            gaussians(driving_regions.shift, driving_regions.covar, grid)
            - gaussians(source_regions.shift, source_regions.covar, grid),
            (0, 0, 0, 0, 1, 0),
        )
        motions = candidate_motions(source_regions, driving_regions, background, grid)
        # The candidates are stacked vertically in a tall grid: one call samples all of them.
        warped = warp(small, rearrange(motions, "b k h w xy -> b (k h) w xy"), aligned=self.aligned)
        warped = rearrange(warped, "b rgb (k h) w -> b k rgb h w", h=h)
        inputs = torch.cat([heatmaps[:, :, None], warped], dim=2)
        features = self.hourglass(rearrange(inputs, "b k c h w -> b (k c) h w"))
        # Both heads in one convolution: one output channel costs as much as sixteen.
        weight, bias = (
            torch.cat([head.get_parameter(name) for head in (self.mask, self.occlusion)]) for name in ("weight", "bias")
        )
        # Positions are float32 in every precision, from the last convolution on.
        with unlowered(source.device):
            heads = F.conv2d(widened(features), weight, bias, padding=3)
            # Flow: mean of the candidates, weighted by their softmax.
            mask = F.softmax(heads[:, :-1], dim=1)
            flow = (mask[..., None] * motions).sum(dim=1)
            return Flow(flow, heads[:, -1:].sigmoid(), heatmaps, motions)


def gaussians(shift: Tensor, covar: Tensor, grid: Tensor) -> Tensor:
    """Evaluate exp(-d^2 / 2) (b, K, h, w) for the Mahalanobis distance d of a grid (h, w, 2) from b times K regions."""
    return torch.exp(-0.5 * squared_distance(shift, covar, grid))


def candidate_motions(source: Regions, driving: Regions, background: Tensor, grid: Tensor) -> Tensor:
    """Compute the source positions (b, K + 1, h, w, 2) of the grid (h, w, 2): background first, then each region.

    Region k maps z to C_k (z - driving mean) + source mean with C_k = A_source A_driving^-1. The sign of C_k is chosen
    so that x is not mirrored, because principal axes have no sign.
    """
    change = compose(source.affine, inverse(driving.affine))
    change = torch.where(change[..., :1, :1] < 0, -change, change)
    offset = source.shift[..., None] - compose(change, driving.shift[..., None])
    maps = torch.cat([background[:, None], torch.cat([change, offset], dim=-1)], dim=1)
    # Affine maps of (x, y), column by column and row by row: only their sum is a full map.
    along_x = maps[:, :, None, :, 0] * grid[0, :, :1] + maps[:, :, None, :, 2]
    along_y = maps[:, :, None, :, 1] * grid[:, 0, 1:]
    return along_y[:, :, :, None] + along_x[:, :, None]
