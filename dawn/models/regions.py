"""Unsupervised regions of a face and the motion of the background (paper 3.2; after MRAA).

A region is a heat map, described by its mean and by an affine frame along its principal axes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import Hourglass as HourglassSizes
from dawn.config import LfgModel
from dawn.models.hourglass import Encoder, Hourglass, width
from dawn.models.warping import coordinate_grid, reduction
from dawn.precision import unlowered, widened

# Smallest variance of a heat map: a standard deviation of 0.001 is 1/32 of a pixel of a 64 x 64 map. It keeps inverses
# and gradients finite and does not change wider heat maps.
POINT = 1e-6
# Half-width, as a variance, over which the pole in the gradient of the axes' direction is smoothed; the value is exact.
POLE = 1e-3


class Regions(NamedTuple):
    """K regions of b images; lengths in units of the sampling grid."""

    shift: Tensor  # (b, K, 2) mean (x, y)
    covar: Tensor  # (b, K, 2, 2) covariance
    affine: Tensor  # (b, K, 2, 2) principal axes as columns, longest first, scaled by their standard deviation
    heatmap: Tensor  # (b, K, h, w) sums to 1

    def expand(self, batch: int) -> Regions:
        """Repeat the regions of one image for `batch` images without copying."""
        return Regions(*(value.expand(batch, *value.shape[1:]) for value in self))


class RegionPredictor(nn.Module):
    """Predictor of K regions: heat maps from an hourglass on the reduced image, and their moments."""

    def __init__(self, config: LfgModel) -> None:
        super().__init__()
        sizes = config.region_predictor
        self.temperature = config.temperature
        self.predictor = Hourglass(sizes, 3)
        self.regions = nn.Conv2d(self.predictor.out_channels, config.regions, 7, padding=3)
        self.down = reduction(sizes.scale)

    def forward(self, image: Tensor) -> Regions:
        """Predict the regions of images (b, 3, S, S) in [0, 1]."""
        features = self.predictor(self.down(image))
        # Positions are float32 in every precision, from the last convolution on.
        with unlowered(image.device):
            logits = self.regions(widened(features))
            heatmap = F.softmax(logits.flatten(2) / self.temperature, dim=-1).view_as(logits)
            shift, covar = moments(heatmap, coordinate_grid(logits.shape[2], logits.shape[3], like=logits))
            return Regions(shift, covar, principal_axes(covar), heatmap)


class BackgroundPredictor(nn.Module):
    """Predictor of the affine motion of the background; initialised to the identity."""

    def __init__(self, sizes: HourglassSizes) -> None:
        super().__init__()
        self.encoder = Encoder(sizes, 6)
        self.fc = nn.Linear(width(sizes, sizes.blocks), 6)
        self.down = reduction(sizes.scale)
        nn.init.zeros_(self.fc.weight)
        with torch.no_grad():
            self.fc.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """Predict the affine map (b, 2, 3) from driving to source positions for images (b, 3, S, S).

        A position is mapped as the matrix times (x, y, 1).
        """
        pair = torch.cat([self.down(source), self.down(driving)], dim=1)
        features = self.encoder(pair)[-1]
        with unlowered(source.device):
            return self.fc(widened(features).mean(dim=(2, 3))).view(-1, 2, 3)


def moments(heatmap: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean (b, K, 2) and covariance (b, K, 2, 2) of heat maps (b, K, h, w) over a regular grid (h, w, 2).

    The smallest variance of a heat map is at least :data:`POINT`. Sums of products, and no matrix products, which a GPU
    may round.
    """
    # mu = sum_z h(z) z and Sigma = sum_z h(z) (z - mu) (z - mu)^T, from the sums of columns and rows.
    x, y = grid[0, :, 0], grid[:, 0, 1]
    columns, rows = heatmap.sum(-2), heatmap.sum(-1)
    shift = torch.stack([(columns * x).sum(-1), (rows * y).sum(-1)], dim=-1)
    dx, dy = x - shift[..., :1], y - shift[..., 1:]
    xx, yy = (columns * dx**2).sum(-1), (rows * dy**2).sum(-1)
    xy = ((heatmap * dy[..., None]).sum(-2) * dx).sum(-1)
    covar = torch.stack([xx, xy, xy, yy], dim=-1).unflatten(-1, (2, 2))
    # An isotropic addition raises the smaller eigenvalue to POINT.
    addition = F.relu(POINT - _eigenvalues(covar)[1])
    return shift, covar + addition[..., None, None] * torch.eye(2, dtype=covar.dtype, device=covar.device)


def principal_axes(covar: Tensor) -> Tensor:
    """Compute U diag(sqrt(S)) of symmetric positive matrices (..., 2, 2) = U diag(S) U^T, S descending, det U = -1.

    The published networks take U from an SVD, whose columns have that handedness; the common sign of both columns
    cancels in the flow. The direction of the axes is undefined where both variances are equal: its gradient is damped
    there and stays finite.
    """
    large, small = _eigenvalues(covar)
    # Angle of the longest axis: tan(2 angle) = Sigma_xy / ((Sigma_xx - Sigma_yy) / 2).
    half = (covar[..., 0, 0] - covar[..., 1, 1]) / 2
    cross = covar[..., 0, 1]
    x, y = half.detach(), cross.detach()
    # `surrogate - surrogate.detach()` is 0; its gradient is that of atan2(cross, half) / 2 without the pole at 0.
    surrogate = (x * cross - y * half) / (2 * (x**2 + y**2 + POLE**2))
    angle = torch.atan2(y, x) / 2 + surrogate - surrogate.detach()
    cos, sin = angle.cos(), angle.sin()
    first, second = large.clamp(min=POINT).sqrt(), small.clamp(min=POINT).sqrt()
    return torch.stack([first * cos, second * sin, first * sin, -second * cos], dim=-1).unflatten(-1, (2, 2))


def squared_distance(shift: Tensor, covar: Tensor, grid: Tensor) -> Tensor:
    """Compute the squared Mahalanobis distance (b, K, h, w) of a regular grid (h, w, 2) from b times K regions."""
    # d^2 = P_xx x^2 + P_yy y^2 + 2 P_xy x y with the precision P. x and y separately: only the last sum is a full map.
    x = grid[0, :, 0] - shift[..., 0, None]
    y = grid[:, 0, 1] - shift[..., 1, None]
    precision = inverse(covar)
    xx, xy, yy = (precision[..., i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    return (xx * x**2)[:, :, None, :] + (yy * y**2)[:, :, :, None] + (2 * xy * x)[:, :, None, :] * y[..., None]


def compose(a: Tensor, b: Tensor) -> Tensor:
    """Compute the product of small matrices (..., i, j) and (..., j, k) in their own precision on every device."""
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)


def inverse(matrix: Tensor) -> Tensor:
    """Invert matrices (..., 2, 2)."""
    a, b, c, d = matrix.flatten(-2).unbind(-1)
    return torch.stack([d, -b, -c, a], dim=-1).unflatten(-1, (2, 2)) / (a * d - b * c)[..., None, None]


def _eigenvalues(covar: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the larger and smaller eigenvalue (...) of symmetric (..., 2, 2), differentiable everywhere."""
    a, b, c = covar[..., 0, 0], covar[..., 0, 1], covar[..., 1, 1]
    radius = (((a - c) / 2) ** 2 + b**2 + 1e-20).sqrt()
    middle = (a + c) / 2
    return middle + radius, middle - radius
