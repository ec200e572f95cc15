"""The latent flow generator: recorded numbers of the published network, broadcasting, training."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dawn.config import Hourglass, LfgModel
from dawn.errors import InputError
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.regions import Regions
from dawn.models.warping import coordinate_grid, resize, warp
from dawn.training.lfg_losses import (
    pyramid_l1,
)
from tests.reference.plain import decode_plainly
from tests.support.golden import END_TO_END, FLOW, GENERATOR, REDUCTION, REGIONS, check, default_dtype
from tests.support.networks import TINY_LFG, config, smooth_images, tiny_lfg

NETWORKS = ("generator", "region_predictor", "bg_predictor")


def gram(affine: Tensor) -> Tensor:
    """A A^T: the signs of an SVD's columns are free."""
    return (affine.double() @ affine.double().mT).to(affine.dtype)


@pytest.fixture(scope="module", params=[(torch.float32, 128), (torch.float32, 256), (torch.float64, 128)], ids=str)
def precision_and_side(request: pytest.FixtureRequest) -> tuple[torch.dtype, int]:
    """Both published resolutions in pixels, the smaller one in both precisions."""
    return request.param


@pytest.fixture(scope="module")
def filled(recipe: ModuleType) -> LatentFlowGenerator:
    """The published network in float32."""
    net = LatentFlowGenerator(LfgModel())
    for name in NETWORKS:
        recipe.fill(net.get_submodule(name))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def published(
    recipe: ModuleType, filled: LatentFlowGenerator, precision_and_side: tuple[torch.dtype, int]
) -> LatentFlowGenerator:
    """The published network; one of another precision constructs its tables in that precision."""
    dtype = precision_and_side[0]
    if dtype == torch.float32:
        return filled
    with default_dtype(dtype):
        return recipe.fill_from(LatentFlowGenerator(LfgModel()), filled).to(dtype)


@pytest.fixture(scope="module")
def side(precision_and_side: tuple[torch.dtype, int]) -> int:
    return precision_and_side[1]


@pytest.fixture(scope="module")
def inputs(recipe: ModuleType, precision_and_side: tuple[torch.dtype, int]) -> dict[str, Tensor]:
    dtype, side = precision_and_side
    with default_dtype(dtype):
        return recipe.tensors(recipe.lfg_inputs(side, 2 if side == 128 else 1))


@pytest.mark.parametrize("name", NETWORKS)
def test_state_dict_is_the_published_one(recipe: ModuleType, name: str) -> None:
    state = LatentFlowGenerator(LfgModel()).get_submodule(name).state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == [*recipe.shapes(name).items()]


def test_golden_regions(reference: Path, published: LatentFlowGenerator, side: int, inputs: dict[str, Tensor]) -> None:
    golden = np.load(reference / f"region_{side}.npz")
    small = published.region_predictor.down(inputs["source"])
    check(small, golden["down"], REDUCTION)
    check(published.region_predictor.predictor(small)[:, ::4], golden["feature_slice"], REGIONS)
    for letter, image in (("s", inputs["source"]), ("d", inputs["driving"])):
        regions = published.regions(image)
        check(regions.shift, golden[f"{letter}_shift"], REGIONS)
        check(regions.covar, golden[f"{letter}_covar"], REGIONS)
        recorded = gram(torch.from_numpy(golden[f"{letter}_affine"]).double())
        check(gram(regions.affine), recorded.numpy(), REGIONS)
        if letter == "s":
            check(regions.heatmap, golden["s_heatmap"], REGIONS)
    background = published.bg_predictor(inputs["source"], inputs["driving"])
    check(background, golden["bg"][:, :2], REGIONS)


def test_golden_flow(reference: Path, published: LatentFlowGenerator, side: int, inputs: dict[str, Tensor]) -> None:
    golden = np.load(reference / f"flow_{side}.npz")
    regions = {
        name: torch.from_numpy(value).to(inputs["source"].dtype)
        for name, value in np.load(reference / f"region_{side}.npz").items()
    }
    source, driving = (
        Regions(regions[f"{letter}_shift"], regions[f"{letter}_covar"], regions[f"{letter}_affine"], torch.empty(0))
        for letter in "sd"
    )
    predictor = published.generator.pixelwise_flow_predictor
    flow = predictor(inputs["source"], source, driving, regions["bg"][:, :2])
    check(flow.heatmaps, golden["heatmap_repr"], FLOW)
    check(flow.motions[:, :, ::2, ::2], golden["sparse_motion_sub2"], FLOW)
    check(flow.flow, golden["optical_flow"], FLOW)
    check(flow.occlusion, golden["occlusion_map"], FLOW)


def test_golden_generator(
    reference: Path, published: LatentFlowGenerator, side: int, inputs: dict[str, Tensor]
) -> None:
    golden = np.load(reference / f"generator_{side}.npz")
    step = side // 128
    features = published.encode(inputs["source"])
    check(features[-1][:, ::8], golden["fea_ch8"], GENERATOR)
    prediction = published.decode(inputs["source"], features, inputs["flow"], inputs["occlusion"])
    check(prediction[:, :, ::step, ::step], golden["prediction"], GENERATOR)
    full = resize(inputs["flow"].permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)
    check(warp(inputs["source"], full)[:, :, ::2, ::2], golden["deformed_sub2"], GENERATOR)
    whole = published(inputs["source"], inputs["driving"]).prediction
    check(whole[:, :, ::2, ::2], golden["full_prediction_sub2"], END_TO_END)


@torch.no_grad()
def test_decoding_many_motions_equals_decoding_each() -> None:
    net = tiny_lfg().eval()
    source, driving = smooth_images(1, 1), smooth_images(2, 5)
    features = net.encode(source)
    assert [tuple(f.shape) for f in features] == [(1, 4, 32, 32), (1, 8, 16, 16), (1, 16, 8, 8)]
    assert features[-1].min() >= 0
    flow, occlusion = net.motion(source, driving)
    assert flow.shape == (5, 8, 8, 2) and occlusion.shape == (5, 1, 8, 8)
    assert occlusion.min() > 0 and occlusion.max() < 1
    frames = net.decode(source, features, flow, occlusion)
    assert frames.shape == (5, 3, 32, 32) and frames.min() >= 0 and frames.max() <= 1
    for i in range(5):
        single = net.decode(source, net.encode(source), flow[i : i + 1], occlusion[i : i + 1])
        torch.testing.assert_close(frames[i : i + 1], single, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(frames[i : i + 1], net(source, driving[i : i + 1]).prediction, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_motion_broadcasts_one_source() -> None:
    net = tiny_lfg().eval()
    source, driving = smooth_images(1, 1), smooth_images(2, 4)
    expected = net.motion(source.repeat(4, 1, 1, 1), driving)
    for computed in (net.motion(source, driving), net.motion(source, driving, net.regions(source))):
        for part, expected_part in zip(computed, expected, strict=True):
            torch.testing.assert_close(part, expected_part, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_full_occlusion_keeps_the_warped_source() -> None:
    """With m = 1 everywhere the decoder contributes nothing: the output is the warped source."""
    net = tiny_lfg().eval()
    source = smooth_images(3, 1)
    flow = 0.8 * coordinate_grid(8, 8, source)[None]
    computed = net.decode(source, net.encode(source), flow, torch.ones(1, 1, 8, 8))
    full = F.interpolate(flow.permute(0, 3, 1, 2), size=(32, 32), mode="bilinear").permute(0, 2, 3, 1)
    torch.testing.assert_close(computed, F.grid_sample(source, full, align_corners=False))


@torch.no_grad()
def test_a_bicubic_source_keeps_its_edges_where_it_moves() -> None:
    """Half a pixel aside, thin lines keep more of their contrast, and stay in [0, 1]."""
    lines = torch.zeros(1, 3, 32, 32)
    lines[..., ::8] = 1
    aside = coordinate_grid(8, 8, lines)[None] + torch.tensor([1 / 31, 0.0])
    contrast = {}
    for bicubic in (False, True):
        sizes = TINY_LFG.model_copy(update={"aligned_sampling": True, "bicubic_source": bicubic})
        net = LatentFlowGenerator(sizes).eval()
        moved = net.decode(lines, net.encode(lines), aside, torch.ones(1, 1, 8, 8))
        assert moved.min() >= 0
        assert moved.max() <= 1
        contrast[bicubic] = float(moved.std())
    assert contrast[True] > 1.1 * contrast[False]


def test_training_reaches_every_parameter_and_learns() -> None:
    net = tiny_lfg().train()
    source, driving = smooth_images(4, 4), smooth_images(5, 4)
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


def test_errors_name_invalid_sizes() -> None:
    with pytest.raises(InputError, match=r"flow_predictor\.scale must be 0\.25"):
        LatentFlowGenerator(TINY_LFG.model_copy(update={"flow_predictor": Hourglass(scale=0.5)}))
    with pytest.raises(InputError, match=r"not 0\.3"):
        LatentFlowGenerator(TINY_LFG.model_copy(update={"region_predictor": Hourglass(expansion=4, scale=0.3)}))
    deep = TINY_LFG.model_copy(update={"region_predictor": Hourglass(expansion=4, blocks=5)})
    with pytest.raises(InputError, match="divisible by 32, got 8 x 8"):
        LatentFlowGenerator(deep).regions(smooth_images(0, 1))


@torch.inference_mode()
def test_batched_decoding_equals_encoding_for_every_frame() -> None:
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config().lfg.model).eval()
    source, flow, occlusion = torch.rand(1, 3, 64, 64), torch.rand(5, 16, 16, 2) * 2 - 1, torch.rand(5, 1, 16, 16)
    expected = decode_plainly(lfg, source, flow, occlusion)
    torch.testing.assert_close(lfg.decode(source, lfg.encode(source), flow, occlusion), expected, rtol=1e-4, atol=1e-5)
