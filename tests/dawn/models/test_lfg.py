"""The latent flow generator: published numbers, closed forms against the general ones, and its losses."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from torch import Tensor, nn
from torchvision.models import vgg19

from dawn.config import Hourglass, LfgModel
from dawn.errors import InputError
from dawn.models.flow import candidate_motions, gaussians
from dawn.models.hourglass import UpBlock
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.regions import POINT, Regions, inverse, moments, principal_axes
from dawn.models.warping import AntiAlias, coordinate_grid, resize, warp
from dawn.training.lfg_losses import (
    GROUP_FLOOR,
    LANDMARK_GROUPS,
    Equivariance,
    Perceptual,
    landmark_guidance,
    occlusion_guidance,
    pyramid,
    pyramid_l1,
    within,
)
from tests.support.golden import error

# Of the golden vectors: about five times float32 against float64.
TOLERANCE = {"region": 2e-4, "flow": 3e-5, "generator": 5e-5, "end to end": 5e-4}
TINY = LfgModel(
    expansion=4,
    bottleneck_blocks=1,
    regions=10,
    region_predictor=Hourglass(expansion=4, max_features=16, blocks=2, scale=0.5),
    background_predictor=Hourglass(expansion=4, max_features=16, blocks=3, scale=1),
    flow_predictor=Hourglass(expansion=4, max_features=16, blocks=2),
)
NETWORKS = ("generator", "region_predictor", "bg_predictor")


def gram(affine: np.ndarray) -> np.ndarray:
    """A A^T: the signs of an SVD's columns are free."""
    return affine.astype(np.float64) @ affine.astype(np.float64).swapaxes(-1, -2)


def tiny(seed: int = 0) -> LatentFlowGenerator:
    torch.manual_seed(seed)
    return LatentFlowGenerator(TINY)


def images(seed: int, n: int, side: int = 32) -> Tensor:
    """Smooth random images."""
    coarse = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def published(recipe: ModuleType) -> LatentFlowGenerator:
    net = LatentFlowGenerator(LfgModel())
    for name in NETWORKS:
        recipe.fill(net.get_submodule(name))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=[128, 256])
def side(request: pytest.FixtureRequest) -> int:
    """Both published resolutions."""
    return int(request.param)


@pytest.fixture(scope="module")
def inputs(recipe: ModuleType, side: int) -> dict[str, Tensor]:
    n = 2 if side == 128 else 1
    return {name: torch.from_numpy(value) for name, value in recipe.lfg_inputs(side, n).items()}


# ------------------------------------------------------------------------------------------------- published numbers
@pytest.mark.parametrize("name", NETWORKS)
def test_state_dict_is_the_published_one(recipe: ModuleType, published: LatentFlowGenerator, name: str) -> None:
    state = published.get_submodule(name).state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == [*recipe.shapes(name).items()]


def test_golden_regions(reference: Path, published: LatentFlowGenerator, side: int, inputs: dict[str, Tensor]) -> None:
    golden = np.load(reference / f"region_{side}.npz")
    tolerance = TOLERANCE["region"]
    small = published.region_predictor.down(inputs["source"])
    assert error(small, golden["down"]) < 1e-6
    assert error(published.region_predictor.predictor(small)[:, ::4], golden["feature_slice"]) < tolerance
    for letter, image in (("s", inputs["source"]), ("d", inputs["driving"])):
        regions = published.regions(image)
        assert error(regions.shift, golden[f"{letter}_shift"]) < tolerance
        assert error(regions.covar, golden[f"{letter}_covar"]) < tolerance
        affine = torch.from_numpy(gram(regions.affine.numpy()))
        assert error(affine, gram(golden[f"{letter}_affine"])) < tolerance
        if letter == "s":
            assert error(regions.heatmap, golden["s_heatmap"]) < tolerance
    background = published.bg_predictor(inputs["source"], inputs["driving"])
    assert error(background, golden["bg"][:, :2]) < tolerance


def test_golden_flow(reference: Path, published: LatentFlowGenerator, side: int, inputs: dict[str, Tensor]) -> None:
    golden = np.load(reference / f"flow_{side}.npz")
    found = {k: torch.from_numpy(v) for k, v in np.load(reference / f"region_{side}.npz").items()}
    source, driving = (
        Regions(found[f"{letter}_shift"], found[f"{letter}_covar"], found[f"{letter}_affine"], torch.empty(0))
        for letter in "sd"
    )
    predictor = published.generator.pixelwise_flow_predictor
    flow = predictor(inputs["source"], source, driving, found["bg"][:, :2])
    assert error(flow.heatmaps, golden["heatmap_repr"]) < TOLERANCE["flow"]
    assert error(flow.motions[:, :, ::2, ::2], golden["sparse_motion_sub2"]) < TOLERANCE["flow"]
    assert error(flow.flow, golden["optical_flow"]) < TOLERANCE["flow"]
    assert error(flow.occlusion, golden["occlusion_map"]) < TOLERANCE["flow"]


def test_golden_generator(
    reference: Path, published: LatentFlowGenerator, side: int, inputs: dict[str, Tensor]
) -> None:
    golden = np.load(reference / f"generator_{side}.npz")
    step = side // 128
    features = published.encode(inputs["source"])
    assert error(features[-1][:, ::8], golden["fea_ch8"]) < TOLERANCE["generator"]
    prediction = published.decode(inputs["source"], features, inputs["flow"], inputs["occlusion"])
    assert error(prediction[:, :, ::step, ::step], golden["prediction"]) < TOLERANCE["generator"]
    full = resize(inputs["flow"].permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)
    assert error(warp(inputs["source"], full)[:, :, ::2, ::2], golden["deformed_sub2"]) < TOLERANCE["generator"]
    whole = published(inputs["source"], inputs["driving"]).prediction
    assert error(whole[:, :, ::2, ::2], golden["full_prediction_sub2"]) < TOLERANCE["end to end"]


# ------------------------------------------------------------------------------------------------------ closed forms
def test_up_block_is_doubling_then_convolution() -> None:
    torch.manual_seed(1)
    block = UpBlock(5, 7).double().eval()
    x = torch.randn(2, 5, 6, 9, dtype=torch.float64)
    want = F.relu(block.norm(block.conv(F.interpolate(x, scale_factor=2, mode="nearest"))))
    torch.testing.assert_close(block(x), want)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_principal_axes_give_the_flow_of_an_svd(seed: int) -> None:
    """The linear part of a region's motion, from our axes and from LAPACK's, for two random covariances."""
    factor = np.random.default_rng(seed).normal(size=(2, 2, 2))
    covar = torch.from_numpy(factor @ factor.swapaxes(1, 2)) * 0.05 + 1e-4 * torch.eye(2)
    ours = principal_axes(covar)
    torch.testing.assert_close(ours @ ours.mT, covar)
    assert (torch.linalg.det(ours) < 0).all() and (ours.square().sum(-2).diff(dim=-1) <= 0).all()
    u, s, _ = torch.linalg.svd(covar)
    u = u * torch.where(torch.linalg.det(u) > 0, -1.0, 1.0)[:, None, None] ** torch.tensor([0, 1])
    theirs = u * s.sqrt()[:, None]
    changes = []
    for axes in (ours, theirs):
        change = axes[0] @ torch.linalg.inv(axes[1])
        changes.append(change * change[0, 0].sign())
    torch.testing.assert_close(changes[0], changes[1], rtol=1e-6, atol=1e-7)


def test_gradient_of_principal_axes() -> None:
    factor = torch.randn(6, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    elongated = (factor @ factor.mT + torch.diag(torch.tensor([2.0, 0.1]))).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: principal_axes((c + c.mT) / 2), elongated, rtol=1e-4)


@pytest.mark.parametrize("variance", [0.0, POINT, 0.01, 0.3])
def test_gradient_is_finite_where_axes_are_undefined(variance: float) -> None:
    covar = (variance * torch.eye(2)).expand(3, 2, 2).clone().requires_grad_()
    axes = principal_axes(covar)
    assert torch.isfinite(axes).all()
    (axes * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert covar.grad is not None and torch.isfinite(covar.grad).all() and covar.grad.abs().max() < 1e4


def test_a_heat_map_of_one_pixel_stays_usable() -> None:
    heatmap = torch.zeros(1, 1, 64)
    heatmap[..., 19] = 1
    grid = coordinate_grid(8, 8, heatmap)
    shift, covar = moments(heatmap, grid.flatten(0, 1))
    torch.testing.assert_close(shift[0, 0], grid[2, 3])
    torch.testing.assert_close(covar[0, 0], POINT * torch.eye(2))
    bump = gaussians(shift, covar, grid)
    torch.testing.assert_close(bump.flatten(2), heatmap)
    assert torch.isfinite(inverse(principal_axes(covar))).all()


def test_moments_are_those_of_the_heat_map() -> None:
    rng = np.random.default_rng(0)
    heatmap = rng.random((2, 3, 20))
    heatmap /= heatmap.sum(-1, keepdims=True)
    grid = rng.normal(size=(20, 2))
    shift, covar = moments(torch.from_numpy(heatmap), torch.from_numpy(grid))
    for b, k in np.ndindex(2, 3):
        np.testing.assert_allclose(shift[b, k].numpy(), np.average(grid, axis=0, weights=heatmap[b, k]))
        want = np.cov(grid.T, aweights=heatmap[b, k], ddof=0)
        np.testing.assert_allclose(covar[b, k].numpy(), want, atol=1e-12)


def test_equal_regions_move_nothing() -> None:
    regions = tiny().eval().regions(images(0, 2))
    background = torch.eye(2, 3).expand(2, 2, 3)
    grid = coordinate_grid(8, 8, background)
    motions = candidate_motions(regions, regions, background, grid)
    torch.testing.assert_close(motions, grid.expand(2, 11, 8, 8, 2), rtol=1e-4, atol=1e-4)


def test_a_moved_region_is_sampled_where_it_was() -> None:
    at = tiny().eval().regions(images(0, 1))
    step = torch.tensor([0.25, -0.5])
    there = at._replace(shift=at.shift + step)
    grid = coordinate_grid(8, 8, at.shift)
    motions = candidate_motions(at, there, torch.eye(2, 3)[None], grid)
    torch.testing.assert_close(motions[:, 1:], (grid - step).expand(1, 10, 8, 8, 2), rtol=1e-4, atol=1e-4)


def test_anti_alias_sizes_and_mean() -> None:
    for scale, size in ((0.5, 5), (0.25, 13), (0.125, 29)):
        down = AntiAlias(scale)
        assert down.weight.shape == (3, 1, size, size)
        flat = down(torch.ones(1, 3, 128, 128))
        assert flat.shape[-1] == 128 * scale
        middle = slice(flat.shape[-1] // 2 - 1, flat.shape[-1] // 2 + 1)
        torch.testing.assert_close(flat[..., middle, middle], torch.ones(1, 3, 2, 2))


# ------------------------------------------------------------------------------------------------------------- use
@torch.no_grad()
def test_source_encoded_once_decodes_as_if_frame_by_frame() -> None:
    net = tiny().eval()
    source, driving = images(1, 1), images(2, 5)
    features = net.encode(source)
    assert [tuple(f.shape) for f in features] == [(1, 4, 32, 32), (1, 8, 16, 16), (1, 16, 8, 8)]
    assert features[-1].min() >= 0
    flow, occlusion = net.motion(source, driving)
    assert flow.shape == (5, 8, 8, 2) and occlusion.shape == (5, 1, 8, 8)
    assert occlusion.min() > 0 and occlusion.max() < 1
    frames = net.decode(source, features, flow, occlusion)
    assert frames.shape == (5, 3, 32, 32) and frames.min() >= 0 and frames.max() <= 1
    for i in range(5):
        alone = net.decode(source, net.encode(source), flow[i : i + 1], occlusion[i : i + 1])
        torch.testing.assert_close(frames[i : i + 1], alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(frames[i : i + 1], net(source, driving[i : i + 1]).prediction, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_one_source_serves_many_driving_frames() -> None:
    net = tiny().eval()
    source, driving = images(1, 1), images(2, 4)
    want = net.motion(source.repeat(4, 1, 1, 1), driving)
    for got in (net.motion(source, driving), net.motion(source, driving, net.regions(source))):
        for part, wanted in zip(got, want, strict=True):
            torch.testing.assert_close(part, wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_full_occlusion_keeps_the_warped_source() -> None:
    """With m = 1 everywhere the decoder paints nothing: the result is the source, sampled by the flow."""
    net = tiny().eval()
    source = images(3, 1)
    flow = 0.8 * coordinate_grid(8, 8, source)[None]
    got = net.decode(source, net.encode(source), flow, torch.ones(1, 1, 8, 8))
    full = F.interpolate(flow.permute(0, 3, 1, 2), size=(32, 32), mode="bilinear").permute(0, 2, 3, 1)
    torch.testing.assert_close(got, F.grid_sample(source, full, align_corners=False))


def test_training_reaches_every_parameter_and_learns() -> None:
    net = tiny().train()
    source, driving = images(4, 4), images(5, 4)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    history = []
    for _ in range(25):
        loss = pyramid_l1(net(source, driving).prediction, driving, (1.0, 0.5))
        optimizer.zero_grad()
        loss.backward()
        history.append(loss.item())
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        optimizer.step()
    assert history[-1] < 0.8 * history[0]


def test_unusable_sizes_are_named() -> None:
    with pytest.raises(InputError, match=r"flow_predictor\.scale must be 0\.25"):
        LatentFlowGenerator(TINY.model_copy(update={"flow_predictor": Hourglass(scale=0.5)}))
    with pytest.raises(InputError, match=r"not 0\.3"):
        LatentFlowGenerator(TINY.model_copy(update={"region_predictor": Hourglass(expansion=4, scale=0.3)}))
    deep = TINY.model_copy(update={"region_predictor": Hourglass(expansion=4, blocks=5)})
    with pytest.raises(InputError, match="divisible by 32, got 8 x 8"):
        LatentFlowGenerator(deep).regions(images(0, 1))


# ------------------------------------------------------------------------------------------------------------ losses
def test_pyramid_l1_is_the_error_of_the_reduced_images() -> None:
    a, b = images(0, 2, 64), images(1, 2, 64)
    scales = (1.0, 0.5, 0.25, 0.125)
    parts = zip(pyramid(a, scales), pyramid(b, scales), strict=True)
    assert pyramid_l1(a, b, scales).item() == pytest.approx(sum(F.l1_loss(x, y).item() for x, y in parts), rel=1e-5)
    assert pyramid_l1(a, a, scales) == 0


def generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 * seed + k) for k in range(count)]


def test_aligned_sampling_of_the_identity_grid_is_no_motion() -> None:
    picture = images(0, 2)
    side = picture.shape[-1]
    small = coordinate_grid(side // 4, side // 4, picture).permute(2, 0, 1).expand(2, -1, -1, -1)
    grid = resize(small, side, aligned=True).permute(0, 2, 3, 1)
    torch.testing.assert_close(warp(picture, grid, aligned=True), picture, rtol=0, atol=1e-5)
    published = warp(picture, resize(small, side).permute(0, 2, 3, 1))
    assert (published - picture).abs().mean() > 0.05


def test_jacobian_of_the_random_map() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    transform = Equivariance(generators(2), like)
    points = torch.rand(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 1.8 - 0.9
    whole = torch.autograd.functional.jacobian(transform, points)
    for b, n in np.ndindex(2, 3):
        torch.testing.assert_close(transform.jacobian(points)[b, n], whole[b, n, :, b, n])


class Blob(nn.Module):
    """Finds the bright blob of an image by its moments: equivariant by construction."""

    def forward(self, image: Tensor) -> Regions:
        grey = image.mean(1, keepdim=True)
        heatmap = grey.flatten(2) / grey.sum((2, 3))[..., None]
        h, w = grey.shape[2:]
        shift, covar = moments(heatmap, coordinate_grid(h, w, grey).flatten(0, 1))
        return Regions(shift, covar, principal_axes(covar), heatmap.view_as(grey))


def test_equivariance_losses_are_least_for_an_equivariant_predictor() -> None:
    covar = torch.tensor([[0.008, 0.003], [0.003, 0.004]])
    grid = coordinate_grid(160, 160, covar)
    image = gaussians(torch.tensor([[[0.25, -0.25]]]), covar[None, None], grid).expand(8, 3, 160, 160)
    found = Blob()(image)
    shift, affine = Equivariance.losses(found, Blob(), image, generators(8))
    transform = Equivariance(generators(8), image)  # the same draw
    moved = Blob()(transform.warp(image))
    # Principal axes follow T up to a turn: A^-1 J_T A_t is a rotation, and the loss its distance from none.
    turn = inverse(found.affine) @ transform.jacobian(moved.shift) @ moved.affine
    torch.testing.assert_close(turn @ turn.transpose(-1, -2), torch.eye(2).expand_as(turn), rtol=0, atol=0.03)
    assert shift < 0.003
    assert F.l1_loss(moved.shift, found.shift) > 5 * shift  # what ignoring T would cost
    ignoring = inverse(found.affine) @ moved.affine
    assert F.l1_loss(ignoring * ignoring[..., :1, :1].sign(), torch.eye(2).expand_as(ignoring)) > affine


def test_equivariance_is_drawn_from_its_generator() -> None:
    net, image = tiny().eval(), images(0, 2)
    found = net.regions(image)
    one, two, other = (
        Equivariance.losses(found, net.region_predictor, image, generators(2, seed)) for seed in (0, 0, 1)
    )
    assert one == two and one != other
    (one[0] + one[1]).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.region_predictor.parameters())


def test_landmark_guidance_is_least_on_the_groups() -> None:
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
    free = torch.full((2, 1, 16, 16), 1 / 256)  # a region more than there are groups
    assert guided(torch.cat([heatmap, free], dim=1)) == pytest.approx(0, abs=1e-5)


def test_landmark_guidance_draws_a_region_that_is_surely_elsewhere() -> None:
    landmarks = torch.full((1, 68, 2), 0.5)
    logits = torch.zeros(1, 1, 16, 16)
    logits[..., 2, 2] = 4
    logits.requires_grad_()
    heatmap = F.softmax(logits.flatten(2) / 0.1, dim=-1).view_as(logits)
    assert heatmap[..., 11:13, 11:13].max() < 1e-15
    landmark_guidance(Regions(heatmap, heatmap, heatmap, heatmap), landmarks).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 2, 2] > 5 and logits.grad[0, 0, 11:13, 11:13].sum() < -5


def test_landmark_guidance_teaches_where_regions_are() -> None:
    net = tiny(3).train()
    image = images(6, 2)
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
        want = Polygon(outline.double().numpy(), closed=False).contains_points(grid).reshape(64, 64)
        assert np.array_equal(within(outline[None], 64)[0].numpy(), want)
    twice = torch.cat([crossed, crossed], dim=1)  # every crossing counted two times: nothing is inside
    assert within(crossed, 64).any() and not within(twice, 64).any()


def test_occlusion_guidance_hides_the_inside_of_an_open_mouth_alone() -> None:
    landmarks = torch.zeros(2, 68, 2)
    angle = torch.arange(8) * torch.pi / 4
    landmarks[0, 60:68] = torch.stack([angle.cos() * 0.3, angle.sin() * 0.3], dim=-1)  # open; the other is closed
    occlusion = torch.full((2, 1, 16, 16), 0.9, requires_grad=True)
    loss = occlusion_guidance(occlusion, landmarks)
    loss.backward()
    assert occlusion.grad is not None
    area = 2 * 2**0.5 * 0.3**2 / 4  # of the regular octagon, in shares of the image
    assert loss.item() == pytest.approx(-np.log(0.1) * area / 2, rel=0.05)
    assert (occlusion.grad[0, 0, 7:9, 7:9] > 0).all()
    assert not occlusion.grad[0, 0, :4].any() and not occlusion.grad[1].any()


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
    made, true = images(0, 1).requires_grad_(), images(1, 1)
    assert [tuple(f.shape[1:]) for f in loss.features(true)] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (512, 2, 2),
    ]
    assert all((f >= 0).all() for f in loss.features(true))
    value = loss(made, true)
    value.backward()
    assert value > 0 and made.grad is not None and made.grad.abs().max() > 0
    assert loss(true, true) == 0
    assert value > Perceptual((1.0,), path)(made, true)
