"""The denoiser's engine: equal to the plain network, however its work is split; the bounds of inexact options."""

from __future__ import annotations

import copy
import gc
from functools import cache
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dawn.config import Diffusion, UnetModel
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.unet3d import UNet3D
from tests.reference.plain import PlainUNet3D, decode_plainly
from tests.support.networks import TINY, config, shaken

ROUNDING = 1e-4  # largest difference, in units of the largest number


def difference(got: Tensor, want: Tensor) -> float:
    return float((got - want).abs().max() / want.abs().max())


def given_for(frames: int, side: int, speech: int, static: int, batch: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
    make = torch.Generator().manual_seed(frames)
    shapes = {
        "static": (batch, static, side, side),
        "speech": (batch, frames, speech),
        "pose": (batch, frames, 6),
        "eye": (batch, frames, 2),
    }
    drawn = {name: torch.randn(shape, generator=make) for name, shape in shapes.items()}
    return torch.randn(batch, 3, frames, side, side, generator=make), drawn


@cache
def both(model: UnetModel, speech: int, features: int) -> tuple[UNet3D, PlainUNet3D]:
    torch.manual_seed(0)
    net = shaken(UNet3D(model, speech, features))
    plain = PlainUNet3D(model, speech, features).eval().requires_grad_(False)
    plain.load_state_dict(net.state_dict())
    assert isinstance(net, UNet3D)
    return net, plain


# --------------------------------------------------------------------------------------------- equal to the plain path
@torch.inference_mode()
@pytest.mark.parametrize(("frames", "window"), [(7, None), (100, 20), (1, 20)])
@pytest.mark.parametrize("working", [1, 2**20])
def test_engine_equals_the_plain_path(frames: int, window: int | None, working: int) -> None:
    net, plain = both(TINY, 10, 8)
    x, video = given_for(frames, 4, 10, 12, batch=2)
    t = torch.tensor([3, 700])
    want = plain(x, t, window=window, **video)
    got = net(x, t, net.prepare(**video, window=window, working=working))
    assert difference(got, want) < ROUNDING


@torch.inference_mode()
def test_engine_equals_the_plain_path_at_the_published_size() -> None:
    net, plain = both(UnetModel(), 1024, 256)
    x, video = given_for(3, 32, 1024, 272)
    t = torch.tensor([904])
    want = plain(x, t, window=2, **video)
    assert difference(net(x, t, net.prepare(**video, window=2)), want) < ROUNDING


@torch.inference_mode()
def test_batched_decoding_equals_encoding_for_every_frame() -> None:
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config().lfg.model).eval()
    source, flow, occlusion = torch.rand(1, 3, 64, 64), torch.rand(5, 16, 16, 2) * 2 - 1, torch.rand(5, 1, 16, 16)
    want = decode_plainly(lfg, source, flow, occlusion)
    torch.testing.assert_close(lfg.decode(source, lfg.encode(source), flow, occlusion), want, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------------------------- laws
@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 90), window=st.integers(0, 50), working=st.integers(2000, 60000))
def test_runs_change_nothing(frames: int, window: int, working: int) -> None:
    net, _ = both(TINY, 10, 8)
    x, video = given_for(frames, 4, 10, 12)
    t = torch.tensor([300])
    with torch.inference_mode():
        want = net(x, t, net.prepare(**video, window=2 * window, working=2**30))
        got = net(x, t, net.prepare(**video, window=2 * window, working=working))
    assert difference(got, want) < ROUNDING


@torch.inference_mode()
def test_threads_change_nothing() -> None:
    net, _ = both(TINY, 10, 8)
    x, video = given_for(30, 4, 10, 12)
    threads = torch.get_num_threads()
    made = []
    for count in (1, 2):
        torch.set_num_threads(count)
        made.append(net(x, torch.tensor([300]), net.prepare(**video, window=20)))
    torch.set_num_threads(threads)
    assert difference(made[1], made[0]) < ROUNDING


@torch.inference_mode()
@pytest.mark.parametrize("frames", [2, 40, 90])
def test_a_window_of_twice_the_frames_sees_all(frames: int) -> None:
    net, _ = both(TINY, 10, 8)
    x, video = given_for(frames, 4, 10, 12)
    t = torch.tensor([300])
    full = net(x, t, net.prepare(**video, window=None))
    assert torch.equal(net(x, t, net.prepare(**video, window=2 * frames)), full)


@torch.inference_mode()
def test_statistics_of_far_shifted_maps_stay_exact() -> None:
    net = copy.deepcopy(both(TINY, 10, 8)[0])
    x, video = given_for(30, 4, 10, 12)
    net.downs[0][0].block1.proj.bias += 300  # group norm takes it off again
    t = torch.tensor([300])
    want = net(x, t, net.prepare(**video, working=2**30))
    assert difference(net(x, t, net.prepare(**video, working=1)), want) < 2e-3  # 300 leaves 5 digits of float32


@torch.no_grad()
def test_maps_held_are_those_that_the_network_makes() -> None:
    """Counted among all live tensors whenever a pass makes another map of all frames."""
    frames = 100
    net, _ = both(TINY, 10, 8)
    x, video = given_for(frames, 4, 10, 12)
    prepared = net.prepare(**video, window=20, working=1)
    most = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal most
            out = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.new_empty.default:
                maps = [y for y in gc.get_objects() if type(y) is Tensor and y.dim() == 5 and y.shape[1] == frames]
                storages = {y.untyped_storage().data_ptr(): y.untyped_storage().nbytes() // 4 for y in maps}
                most = max(most, sum(storages.values()))
            return out

    with Watch():
        net(x, torch.tensor([3]), prepared)
    assert most == net.held(frames, 4)


# ------------------------------------------------------------------------------------------------- inexact options
@torch.inference_mode()
def test_bfloat16_stays_near_float32() -> None:
    net, _ = both(TINY, 10, 8)
    x, video = given_for(50, 4, 10, 12)
    t = torch.tensor([300])
    for working in (2**20, 3000):
        prepared = net.prepare(**video, window=20, working=working)
        want = net(x, t, prepared)
        with torch.autocast("cpu", torch.bfloat16):
            got = net(x, t, prepared)
        assert 1e-5 < float((got - want).square().mean().sqrt() / want.std()) < 0.05


# ----------------------------------------------------------------------------------------------------- DPM-Solver++
def test_dpm_needs_fewer_steps_than_ddim() -> None:
    """On data whose best denoiser is known: a normal distribution, whose noise-free path only shrinks the start."""
    diffusion = GaussianDiffusion(Diffusion(threshold_quantile=0))
    spread = 0.5
    noise = torch.randn(1, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0))

    def network(x: Tensor, t: Tensor) -> Tensor:
        product = diffusion.alphas_cumprod[t].view(-1, 1, 1, 1, 1)
        return (1 - product).sqrt() * x / (product * spread**2 + 1 - product)

    def error(steps: int, solver: Literal["ddim", "dpm++"]) -> float:
        product = diffusion.alphas_cumprod[diffusion.ddim_times(steps)[0]]
        want = noise * spread / (product * spread**2 + 1 - product).sqrt()
        return difference(
            diffusion.sample(network, noise.shape, steps=steps, eta=0, solver=solver, noises=[noise]), want
        )

    assert error(100, "dpm++") < 0.01
    for steps in (6, 10, 20):
        assert error(steps, "dpm++") < 0.6 * error(steps, "ddim")


def test_dpm_takes_every_objective_and_draws_noise_once() -> None:
    x0 = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    start = torch.randn(x0.shape, generator=torch.Generator().manual_seed(2))
    for objective in ("noise", "clean", "v"):
        diffusion = GaussianDiffusion(Diffusion(objective=objective))

        def oracle(x: Tensor, t: Tensor, diffusion: GaussianDiffusion = diffusion) -> Tensor:
            a = diffusion.sqrt_alphas_cumprod[t].view(-1, 1, 1, 1, 1)
            b = diffusion.sqrt_one_minus_alphas_cumprod[t].view(-1, 1, 1, 1, 1)
            return diffusion.target(x0, t, (x - a * x0) / b)

        sample = diffusion.sample(oracle, x0.shape, steps=6, solver="dpm++", noises=[start])
        torch.testing.assert_close(sample, x0, rtol=1e-3, atol=1e-3)
