"""Losses of the latent flow generator: of paper eq. 5, of the published training, and two additions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.models.regions import Regions, compose, inverse, squared_distance
from dawn.models.warping import coordinate_grid, reduction, warp
from dawn.precision import widened
from dawn.weights import MissingWeights, verified

VGG_CUTS = (2, 7, 12, 21, 30)  # after the first ReLU of each of the five blocks

# Landmarks (68-point numbering) that guide regions 0, 1, ...: those that move with speech come first. Left and right
# are the image's.
LANDMARK_GROUPS: tuple[tuple[int, ...], ...] = (
    (*range(48, 55), *range(60, 65)),  # upper lip
    (48, *range(54, 60), 60, *range(64, 68)),  # lower lip
    (37, 38),  # left upper lid: a blink moves it by its own height
    (43, 44),  # right upper lid
    tuple(range(6, 11)),  # chin
    tuple(range(27, 36)),  # nose
    (*range(17, 22), 36, 39),  # left brow and eye corners
    (*range(22, 27), 42, 45),  # right brow and eye corners
    tuple(range(0, 6)),  # left jaw
    tuple(range(11, 17)),  # right jaw
)
SPLINE_POINTS = 5  # of Equivariance, along each axis
INNER_LIPS = slice(60, 68)  # outline of the mouth's opening
EYES = (slice(36, 42), slice(42, 48))  # of each eye: corner, upper lid, corner, lower lid
SUPERSAMPLING = 4  # test points along each side of a cell of the occlusion map
# Standard deviation whose square is added to a landmark group's covariance, in units of the sampling grid: the group
# of a closed eye is otherwise degenerate.
GROUP_FLOOR = 0.02


def pyramid(images: Tensor, scales: tuple[float, ...]) -> list[Tensor]:
    """Reduce images (b, 3, S, S) to each of `scales`, with anti-aliasing."""
    return [_reduction(scale, images.device, images.dtype)(images) for scale in scales]


@functools.cache  # a copy to a GPU at every step would wait for its work
def _reduction(scale: float, device: torch.device, dtype: torch.dtype) -> nn.Module:
    return reduction(scale).to(device, dtype)


def pyramid_l1(prediction: Tensor, target: Tensor, scales: tuple[float, ...]) -> Tensor:
    """Compute the mean absolute error of images (b, 3, S, S), summed over image scales."""
    # Reduction is linear: the difference is reduced once instead of both images.
    levels = pyramid(prediction - target, scales)
    return torch.stack([level.abs().mean() for level in levels]).sum()


class Perceptual(nn.Module):
    """L1 distance of VGG-19 features at five depths, summed over depths and image scales (paper eq. 5).

    The weights are torchvision's for ImageNet: the file `path`, or by default ``vgg19`` of the registry of weights.
    They are not downloaded here. Raises InputError when the file is absent.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, scales: tuple[float, ...], path: Path | None = None) -> None:
        super().__init__()
        self.scales = scales
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))  # of ImageNet
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
        self.slices = _vgg_slices(path or _vgg_path())

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compute the loss, a scalar, of images (b, 3, S, S) in [0, 1]; no gradient reaches `target`."""
        total = prediction.new_zeros(())
        for x, y in zip(pyramid(prediction, self.scales), pyramid(target, self.scales), strict=True):
            with torch.no_grad():
                target_maps = self.features(y)
            for prediction_map, target_map in zip(self.features(x), target_maps, strict=True):
                total = total + F.l1_loss(widened(prediction_map), widened(target_map))
        return total

    def features(self, images: Tensor) -> list[Tensor]:
        """Compute the feature maps of images (b, 3, h, w) in [0, 1] at the five depths."""
        maps: list[Tensor] = []
        x = (images - self.mean) / self.deviation
        for block in self.slices:
            x = block(x)
            maps.append(x)
        return maps


class Equivariance:
    """Random smooth map T of each of b image planes: affine plus thin-plate spline (published).

    The affine part is the identity plus N(0, 0.05^2); the spline has 5 x 5 control points with weights N(0, 0.005^2),
    the same displacement along x and y, and kernel r^2 log r of the L1 distance r. `affine` (b, 2, 3) and `spline`
    (b, 25) are the standard normal numbers of both.
    """

    def __init__(self, affine: Tensor, spline: Tensor) -> None:
        self.theta = torch.eye(2, 3, dtype=affine.dtype, device=affine.device) + 0.05 * affine
        self.control = coordinate_grid(SPLINE_POINTS, SPLINE_POINTS, affine).flatten(0, 1)
        self.weights = 0.005 * spline

    @classmethod
    def losses(
        cls,
        driving_regions: Regions,
        region_predictor: Callable[[Tensor], Regions],
        driving: Tensor,
        affine: Tensor,
        spline: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Compute shift and affine loss: regions must move with the image when T warps it.

        mean |mu - T(mu_t)| and mean |I - V| with V = A^-1 J_T(mu_t) A_t up to its sign, for regions (mu, A) of
        `driving` (b, 3, S, S) and (mu_t, A_t) of the warped image.
        """
        transform = cls(affine, spline)
        warped = region_predictor(transform.warp(driving))
        shift = F.l1_loss(transform(warped.shift), driving_regions.shift)
        v = compose(compose(inverse(driving_regions.affine), transform.jacobian(warped.shift)), warped.affine)
        v = torch.where(v[..., :1, :1] < 0, -v, v)
        return shift, F.l1_loss(v, torch.eye(2, dtype=v.dtype, device=v.device).expand_as(v))

    def __call__(self, points: Tensor) -> Tensor:
        """Map points (b, n, 2) by T."""
        distance = (points[:, :, None] - self.control).abs().sum(-1)
        bend = (distance**2 * torch.log(distance + 1e-6) * self.weights[:, None]).sum(-1, keepdim=True)
        return compose(self.theta[:, None, :, :2], points[..., None]).squeeze(-1) + self.theta[:, None, :, 2] + bend

    def jacobian(self, points: Tensor) -> Tensor:
        """Compute the Jacobian dT / dz (b, n, 2, 2) at points (b, n, 2)."""
        offset = points[:, :, None] - self.control
        distance = offset.abs().sum(-1)
        slope = 2 * distance * torch.log(distance + 1e-6) + distance**2 / (distance + 1e-6)
        bend = compose((slope * self.weights[:, None])[:, :, None], offset.sign())
        return self.theta[:, None, :, :2] + bend

    def warp(self, images: Tensor) -> Tensor:
        """Warp images (b, 3, h, w): pixel z takes the value of `images` at T(z), reflected beyond the border."""
        h, w = images.shape[-2:]
        grid = coordinate_grid(h, w, images).flatten(0, 1).expand(images.shape[0], -1, -1)
        return warp(images, self(grid).unflatten(1, (h, w)), padding="reflection")


def landmark_guidance(regions: Regions, landmarks: Tensor) -> Tensor:
    """Compute an auxiliary loss, not in the paper, that attracts region k to the k-th of :data:`LANDMARK_GROUPS`.

    Kullback-Leibler divergence of the region's heat map from a Gaussian with the group's mean and covariance, mean over
    images and regions. As it is dense in space, regions converge to the face within hundreds of steps; a loss of the
    moments alone takes thousands. Landmarks (b, 68, 2) are (x, y) in [-1, 1]; regions beyond the groups are free.
    """
    count = min(regions.shift.shape[1], len(LANDMARK_GROUPS))
    member = _group_weights(landmarks.device, landmarks.dtype)[:count, :, None]
    mean = (member * landmarks[:, None]).sum(2)
    centred = landmarks[:, None] - mean[:, :, None]
    covar = (member[..., None] * centred[..., :, None] * centred[..., None, :]).sum(2)
    covar = covar + GROUP_FLOOR**2 * torch.eye(2, dtype=covar.dtype, device=covar.device)
    heatmap = regions.heatmap[:, :count]
    h, w = heatmap.shape[-2:]
    grid = coordinate_grid(h, w, like=landmarks)
    # KL(q || p) of the group's Gaussian q from the heat map p over the grid's cells.
    log_q = (-0.5 * squared_distance(mean, covar, grid).flatten(2)).log_softmax(-1)
    # A region confidently elsewhere has p far below 1e-8 here and must still be attracted: clamp only zeros.
    log_p = heatmap.flatten(2).clamp(min=1e-30).log()
    return (log_q.exp() * (log_q - log_p)).sum(-1).mean()


@functools.cache
def _group_weights(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Build the weight of each landmark in the mean of each landmark group, (groups, 68)."""
    weights = torch.zeros(len(LANDMARK_GROUPS), 68, dtype=dtype)
    for k, group in enumerate(LANDMARK_GROUPS):
        weights[k, list(group)] = 1 / len(group)
    return weights.to(device)


def occlusion_guidance(occlusion: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    """Compute an auxiliary loss, not in the paper, that assigns to the decoder what the source does not show.

    A source with closed mouth does not show its interior, one with open eyes no closed lids, and one with closed eyes
    no iris. Mean over cells of -a log(1 - m), where m is the cell's occlusion (1 keeps the warped source, 0 takes the
    decoder's output) and a the sum of two fractions of its area: that within the inner lips of the driving frame, and
    that within its eyes (:func:`eye_outlines`) times how much they differ from the source's. Occlusion (b, 1, q, q) in
    (0, 1); landmarks of source and driving frame, each (b, 68, 2), are (x, y) in [-1, 1].
    """
    side = occlusion.shape[-1] * SUPERSAMPLING
    area = within(driving[:, INNER_LIPS], side).to(occlusion)
    for outline, change in eye_outlines(source, driving):
        area = area + within(outline, side) * change[:, None, None].to(occlusion)
    return -(F.avg_pool2d(area[:, None], SUPERSAMPLING) * (1 - occlusion).clamp(min=1e-6).log()).mean()


def eye_outlines(source: Tensor, driving: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Compute for each eye its outline in the driving frame, (b, 12, 2), and the change of its opening, (b,) in [0, 1].

    The outline is an ellipse through the corners of the eye, as high as the eye of the frame in which it is more open.
    The change is the difference of both openings (height over width) relative to the larger one. Landmarks (b, 68, 2).
    """
    angle = torch.arange(12, device=driving.device) * (2 * torch.pi / 12)
    cos, sin = angle.cos()[None, :, None], angle.sin()[None, :, None]
    outlines = []
    for eye in EYES:
        points = driving[:, eye]
        openings = [_opening(source[:, eye]), _opening(points)]
        largest = torch.maximum(*openings).clamp(min=1e-6)
        change = (openings[0] - openings[1]).abs() / largest
        first, last = points[:, 0], points[:, 3]
        along = ((last - first) / 2)[:, None]
        across = torch.stack([-along[..., 1], along[..., 0]], dim=-1) * largest[:, None, None]
        outlines.append((((first + last) / 2)[:, None] + cos * along + sin * across, change))
    return outlines


def _opening(eye: Tensor) -> Tensor:
    """Compute height over width (b,) of eyes (b, 6, 2): corners 0 and 3, upper lid 1 and 2, lower lid 5 and 4."""
    height = (eye[:, 1:3] - eye[:, 4:6].flip(1)).norm(dim=-1).mean(1)
    return height / (eye[:, 0] - eye[:, 3]).norm(dim=-1).clamp(min=1e-6)


def within(outline: Tensor, side: int) -> Tensor:
    """Rasterise closed outlines (b, n, 2) of (x, y) in [-1, 1] to bool masks (b, side, side) of inner pixel centres.

    Even-odd rule: a pixel is inside if a ray from it along x crosses the outline an odd number of times.
    """
    pixel = (2 * torch.arange(side, dtype=outline.dtype, device=outline.device) + 1) / side - 1
    x, y = pixel[None, None, :], pixel[None, :, None]
    inside = torch.zeros(len(outline), side, side, dtype=torch.bool, device=outline.device)
    for start, end in zip(outline.unbind(1), outline.roll(-1, 1).unbind(1), strict=True):
        (x0, y0), (x1, y1) = (point[:, :, None, None].unbind(1) for point in (start, end))
        spans = (y0 > y) != (y1 > y)
        height = torch.where(spans, y1 - y0, 1)
        inside ^= spans & (x < x0 + (x1 - x0) * (y - y0) / height)
    return inside


def _vgg_path() -> Path:
    try:
        return verified("vgg19").path
    except MissingWeights as error:
        raise MissingWeights(f"{error}; or set lfg.train.loss.perceptual to 0 and use pyramid") from None


def _vgg_slices(path: Path) -> nn.ModuleList:
    """Load VGG-19's feature layers up to each of :data:`VGG_CUTS`, frozen."""
    from torchvision.models import vgg19  # takes as long to import as torch

    if not path.is_file():
        raise InputError(f"{path}: no such file; torchvision's vgg19-dcbb9e9d.pth is needed")
    state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    with torch.device("meta"):
        features = vgg19(weights=None).features[: VGG_CUTS[-1]]
    used = {name: state[f"features.{name}"].clone() for name in features.state_dict() if f"features.{name}" in state}
    if len(used) != len(features.state_dict()):
        raise InputError(f"{path}: not torchvision's VGG-19 weights; `dawn weights --for vgg19` checks them")
    features.load_state_dict(used, assign=True)
    features.eval().requires_grad_(False)
    return vgg_slices(features)


def vgg_slices(layers: nn.Sequential) -> nn.ModuleList:
    """Cut the feature layers of VGG-19 at each of :data:`VGG_CUTS`."""
    starts = (0, *VGG_CUTS[:-1])
    return nn.ModuleList(layers[start:stop] for start, stop in zip(starts, VGG_CUTS, strict=True))
