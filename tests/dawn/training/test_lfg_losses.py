"""Losses of the latent flow generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.path import Path as Polygon
from torch import Tensor, nn
from torchvision.models import vgg19

from dawn.errors import InputError
from dawn.models.flow import gaussians
from dawn.models.regions import Regions, inverse, moments, principal_axes
from dawn.models.warping import coordinate_grid
from dawn.training.lfg_losses import (
    GROUP_FLOOR,
    LANDMARK_GROUPS,
    Equivariance,
    Perceptual,
    eye_outlines,
    landmark_guidance,
    occlusion_guidance,
    pyramid,
    pyramid_l1,
    within,
)
from tests.support.networks import smooth_images, tiny_lfg


def test_pyramid_l1_is_the_error_of_the_reduced_images() -> None:
    a, b = smooth_images(0, 2, 64), smooth_images(1, 2, 64)
    scales = (1.0, 0.5, 0.25, 0.125)
    parts = zip(pyramid(a, scales), pyramid(b, scales), strict=True)
    assert pyramid_l1(a, b, scales).item() == pytest.approx(sum(F.l1_loss(x, y).item() for x, y in parts), rel=1e-5)
    assert pyramid_l1(a, a, scales) == 0


def normal(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """The numbers of `count` random maps."""
    generator = torch.Generator().manual_seed(seed)
    affine, spline = torch.randn(count, 2, 3, generator=generator), torch.randn(count, 25, generator=generator)
    return affine.to(dtype), spline.to(dtype)


def test_jacobian_of_the_random_map() -> None:
    transform = Equivariance(*normal(2, dtype=torch.float64))
    points = torch.rand(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 1.8 - 0.9
    whole = torch.autograd.functional.jacobian(transform, points)
    for b, n in np.ndindex(2, 3):
        torch.testing.assert_close(transform.jacobian(points)[b, n], whole[b, n, :, b, n])


class Blob(nn.Module):
    """Region of the bright blob of an image by its moments: equivariant by construction."""

    def forward(self, image: Tensor) -> Regions:
        grey = image.mean(1, keepdim=True)
        heatmap = grey / grey.sum((2, 3), keepdim=True)
        shift, covar = moments(heatmap, coordinate_grid(*grey.shape[2:], grey))
        return Regions(shift, covar, principal_axes(covar), heatmap)


def test_equivariance_losses_are_smallest_for_an_equivariant_predictor() -> None:
    covar = torch.tensor([[0.008, 0.003], [0.003, 0.004]])
    grid = coordinate_grid(160, 160, covar)
    image = gaussians(torch.tensor([[[0.25, -0.25]]]), covar[None, None], grid).expand(8, 3, 160, 160)
    found = Blob()(image)
    shift, affine = Equivariance.losses(found, Blob(), image, *normal(8))
    transform = Equivariance(*normal(8))  # the same random map
    moved = Blob()(transform.warp(image))
    # Principal axes are equivariant up to a rotation: A^-1 J_T A_t, whose distance from the identity is the loss.
    rotation = inverse(found.affine) @ transform.jacobian(moved.shift) @ moved.affine
    torch.testing.assert_close(
        rotation @ rotation.transpose(-1, -2), torch.eye(2).expand_as(rotation), rtol=0, atol=0.03
    )
    assert shift < 0.003
    assert F.l1_loss(moved.shift, found.shift) > 5 * shift  # loss of a predictor that ignores T
    ignoring = inverse(found.affine) @ moved.affine
    assert F.l1_loss(ignoring * ignoring[..., :1, :1].sign(), torch.eye(2).expand_as(ignoring)) > affine


def test_equivariance_depends_on_its_numbers_only() -> None:
    net, image = tiny_lfg().eval(), smooth_images(0, 2)
    found = net.regions(image)
    one, two, other = (Equivariance.losses(found, net.region_predictor, image, *normal(2, seed)) for seed in (0, 0, 1))
    assert one == two and one != other
    (one[0] + one[1]).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.region_predictor.parameters())


def test_landmark_guidance_is_zero_on_its_landmark_groups() -> None:
    landmarks = torch.rand(2, 68, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    shift = torch.stack([landmarks[:, list(group)].mean(1) for group in LANDMARK_GROUPS], dim=1)
    covar = torch.stack([torch.stack([p[list(g)].T.cov(correction=0) for g in LANDMARK_GROUPS]) for p in landmarks])
    bumps = gaussians(shift, covar + GROUP_FLOOR**2 * torch.eye(2), coordinate_grid(16, 16, landmarks))
    heatmap = bumps / bumps.sum((2, 3), keepdim=True)

    def guided(heat: Tensor) -> float:
        return landmark_guidance(
            Regions(heat[..., 0, :2], heat[..., :2, :2], heat[..., :2, :2], heat), landmarks
        ).item()

    assert guided(heatmap) == pytest.approx(0, abs=1e-5)
    assert guided(heatmap.flip(0)) > 1e-2
    assert guided(heatmap[:, :3]) == pytest.approx(0, abs=1e-5)
    free = torch.full((2, 1, 16, 16), 1 / 256)  # one region more than landmark groups
    assert guided(torch.cat([heatmap, free], dim=1)) == pytest.approx(0, abs=1e-5)


def test_landmark_guidance_has_a_gradient_for_a_confident_wrong_region() -> None:
    landmarks = torch.full((1, 68, 2), 0.5)
    logits = torch.zeros(1, 1, 16, 16)
    logits[..., 2, 2] = 4
    logits.requires_grad_()
    heatmap = F.softmax(logits.flatten(2) / 0.1, dim=-1).view_as(logits)
    assert heatmap[..., 11:13, 11:13].max() < 1e-15
    landmark_guidance(Regions(heatmap, heatmap, heatmap, heatmap), landmarks).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 2, 2] > 5 and logits.grad[0, 0, 11:13, 11:13].sum() < -5


def test_landmark_guidance_trains_region_positions() -> None:
    net = tiny_lfg(3).train()
    image = smooth_images(6, 2)
    landmarks = torch.rand(2, 68, 2, generator=torch.Generator().manual_seed(2)) - 0.5
    optimizer = torch.optim.Adam(net.region_predictor.parameters(), 5e-3)
    history = []
    for _ in range(40):
        loss = landmark_guidance(net.regions(image), landmarks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.6 * history[0]


def test_landmark_groups_cover_the_face_once() -> None:
    assert len(LANDMARK_GROUPS) >= 10
    named = [i for group in LANDMARK_GROUPS[2:] for i in group]
    assert len(set(named)) == len(named) and set(named) <= set(range(68))
    assert {i for group in LANDMARK_GROUPS[:2] for i in group} == set(range(48, 68))


def test_within_is_the_even_odd_rule() -> None:
    turns = torch.rand(3, 8, generator=torch.Generator().manual_seed(1)).sort(1).values * 2 * torch.pi
    star = torch.stack([turns.cos() * 0.9, turns.sin() * 0.5], dim=-1)
    crossed = torch.rand(2, 7, 2, generator=torch.Generator().manual_seed(2)) * 2 - 1
    pixel = (2 * np.arange(64) + 1) / 64 - 1
    grid = np.stack(np.meshgrid(pixel, pixel), axis=-1).reshape(-1, 2)
    for outline in star:
        expected = Polygon(outline.double().numpy(), closed=False).contains_points(grid).reshape(64, 64)
        assert np.array_equal(within(outline[None], 64)[0].numpy(), expected)
    twice = torch.cat([crossed, crossed], dim=1)  # every crossing counts twice: no pixel is inside
    assert within(crossed, 64).any() and not within(twice, 64).any()


def test_occlusion_guidance_applies_inside_an_open_mouth_only() -> None:
    landmarks = torch.zeros(2, 68, 2)
    angle = torch.arange(8) * torch.pi / 4
    landmarks[0, 60:68] = torch.stack([angle.cos() * 0.3, angle.sin() * 0.3], dim=-1)  # open; the other is closed
    occlusion = torch.full((2, 1, 16, 16), 0.9, requires_grad=True)
    loss = occlusion_guidance(occlusion, landmarks, landmarks)
    loss.backward()
    assert occlusion.grad is not None
    area = 2 * 2**0.5 * 0.3**2 / 4  # of the regular octagon, as a fraction of the image
    assert loss.item() == pytest.approx(-np.log(0.1) * area / 2, rel=0.05)
    assert (occlusion.grad[0, 0, 7:9, 7:9] > 0).all()
    assert not occlusion.grad[0, 0, :4].any() and not occlusion.grad[1].any()


def eyes(opening: float, turn: float = 0.0) -> Tensor:
    """Landmarks of a face whose left eye is at (-0.4, 0), 0.4 wide; the other points lie on one another."""
    landmarks = torch.zeros(1, 68, 2)
    x = torch.tensor([-0.2, -0.1, 0.1, 0.2, 0.1, -0.1])
    y = torch.tensor([0.0, -0.2, -0.2, 0.0, 0.2, 0.2]) * opening
    cos, sin = np.cos(turn), np.sin(turn)
    landmarks[0, 36:42] = torch.stack([x * cos - y * sin - 0.4, x * sin + y * cos], dim=-1)
    return landmarks


def test_occlusion_guidance_applies_to_eyes_that_close_or_open() -> None:
    (outline, change), (_, other) = eye_outlines(eyes(0.5), eyes(0.1))
    assert change.item() == pytest.approx(0.8) and other.item() == 0
    assert outline[0].amin(0).tolist() == pytest.approx([-0.6, -0.1], abs=1e-6)  # as high as the source's: 0.2 * 0.5
    assert outline[0].amax(0).tolist() == pytest.approx([-0.2, 0.1], abs=1e-6)
    ((turned, _), _) = eye_outlines(eyes(0.5), eyes(0.1, turn=np.pi / 2))
    assert turned[0].amax(0).tolist() == pytest.approx([-0.3, 0.2], abs=1e-6)
    occlusion = torch.full((1, 1, 32, 32), 0.9)
    area = 12 / 2 * np.sin(2 * np.pi / 12) * 0.2 * 0.1 / 4  # of the twelve-sided ellipse, as a fraction of the image
    for first, second in ((0.5, 0.1), (0.1, 0.5)):
        loss = occlusion_guidance(occlusion, eyes(first), eyes(second))
        assert loss.item() == pytest.approx(-np.log(0.1) * area * 0.8, rel=0.1)
    assert occlusion_guidance(occlusion, eyes(0.3), eyes(0.3)) == 0


def test_perceptual_loss(tmp_path: Path) -> None:
    path = tmp_path / "vgg19.pth"
    with pytest.raises(InputError, match=r"vgg19-dcbb9e9d\.pth"):
        Perceptual((1.0,), path)
    torch.save({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not torchvision's VGG-19"):
        Perceptual((1.0,), path)
    with torch.device("meta"):
        shapes = vgg19(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(value.shape, generator=generator) * (value[0].numel() / 2) ** -0.5
        for name, value in shapes.items()
        if name.startswith("features.") and value.dim() > 1
    } | {name: torch.zeros(value.shape) for name, value in shapes.items() if name.endswith("bias")}
    torch.save(state, path)
    loss = Perceptual((1.0, 0.5), path)
    generated, true = smooth_images(0, 1).requires_grad_(), smooth_images(1, 1)
    assert [tuple(f.shape[1:]) for f in loss.features(true)] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (512, 2, 2),
    ]
    assert all((f >= 0).all() for f in loss.features(true))
    value = loss(generated, true)
    value.backward()
    assert value > 0 and generated.grad is not None and generated.grad.abs().max() > 0
    assert loss(true, true) == 0
    assert value > Perceptual((1.0,), path)(generated, true)
