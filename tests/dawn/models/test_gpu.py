"""The networks on a GPU: recorded numbers of the published networks, the plain reference, and captured passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from dawn.config import UnetModel
from dawn.generation.captured import Captures
from dawn.models.diffusion import Network
from dawn.models.unet3d import ConditionCache, UNet3D
from dawn.precision import Products, dtype_of, precise_products
from tests.dawn.models.test_frame_chunks import ROUNDING, both, difference, random_inputs
from tests.dawn.models.test_unet3d import golden_inputs
from tests.support.golden import UNET, check
from tests.support.networks import TINY

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def published(recipe: ModuleType) -> UNet3D:
    net = recipe.fill(UNet3D(UnetModel(), 1024, 256)).requires_grad_(False).cuda()
    assert isinstance(net, UNet3D)
    return net


def _spread(computed: torch.Tensor, expected: torch.Tensor) -> float:
    return float((computed - expected).square().mean().sqrt() / expected.std())


@torch.inference_mode()
@pytest.mark.parametrize(("reach", "t"), [(40, 904), (8, 47)])
def test_golden_local_window(reference: Path, recipe: ModuleType, published: UNet3D, reach: int, t: int) -> None:
    inputs = {name: value.cuda() for name, value in golden_inputs(recipe, 24).items()}
    x = inputs.pop("x")
    with precise_products("exact"):
        output = published(x, torch.tensor([t], device="cuda"), published.prepare(window=2 * reach, **inputs))
    expected = np.load(reference / "unet_n24.npz")[f"n24_w{reach}_t{t}_cond"]
    check(output.cpu(), expected, UNET._replace(kernels=20 * UNET.kernels))


@torch.inference_mode()
@pytest.mark.parametrize("frames", [1, 17, 200, 400])
def test_network_equals_the_plain_reference(frames: int) -> None:
    net, plain = both(TINY, 10, 8)
    x, video = random_inputs(frames, 8, 10, 12)
    t = torch.tensor([300])
    expected = plain(x, t, window=80, **video)
    on_gpu = UNet3D(TINY, 10, 8).cuda().requires_grad_(False)
    on_gpu.load_state_dict(net.state_dict())
    conditions = {name: value.cuda() for name, value in video.items()}
    with precise_products("exact"):
        computed = on_gpu(x.cuda(), t.cuda(), on_gpu.prepare(window=80, **conditions)).cpu()
    assert difference(computed, expected) < 10 * ROUNDING


def _network(net: UNet3D, caches: Sequence[ConditionCache]) -> Network:
    return lambda x, t: net(x, t, caches[0])


@torch.inference_mode()
@pytest.mark.parametrize("products", ["exact", "tf32", "bfloat16"])
def test_captured_passes_equal_launched_ones(products: Products) -> None:
    torch.manual_seed(0)
    net = UNet3D(UnetModel(), 1024, 256).requires_grad_(False).cuda().lower(dtype_of(products))
    captures = Captures()
    for video in range(2):  # the second refills the graph of the first
        x, conditions = random_inputs(20, 32, 1024, 272)
        conditions = {name: value.cuda() + video for name, value in conditions.items()}
        x = x.cuda()
        with precise_products(products):
            cache = net.prepare(window=80, **conditions)

            network = captures.network("key", tuple(x.shape), partial(_network, net), [cache])
            for t in (900, 500, 100):
                step = torch.tensor([t], device="cuda")
                assert _spread(network(x, step), net(x, step, cache)) < 1e-5
