"""Diffusion: published schedule and samples, identities between objectives, solvers, motion as data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dawn.config import Diffusion, UnetModel
from dawn.errors import InputError
from dawn.models.diffusion import GaussianDiffusion, data_to_motion, motion_to_data, quantile
from dawn.models.unet3d import ConditionCache, UNet3D
from dawn.models.warping import coordinate_grid
from tests.support.golden import SAMPLES, check, default_dtype

Objective = Literal["noise", "clean", "v"]


OBJECTIVES: tuple[Objective, ...] = ("noise", "clean", "v")


def test_schedule_is_the_published_one(reference: Path, recipe: ModuleType) -> None:
    golden = np.load(reference / "ddim.npz")
    tables = GaussianDiffusion(Diffusion()).state_dict()
    assert list(tables) == [name for name in recipe.shapes("diffusion") if not name.startswith("denoise_fn.")]
    for name, table in tables.items():
        assert table.dtype == torch.float32
        np.testing.assert_array_max_ulp(table.numpy(), golden[f"sched_{name}"], maxulp=1)


def test_times_are_the_published_ones(reference: Path) -> None:
    diffusion = GaussianDiffusion(Diffusion())
    assert diffusion.ddim_times(5) == [*np.load(reference / "ddim.npz")["times"], 0]
    twenty = diffusion.ddim_times(20)
    assert twenty[:3] == [952, 904, 857] and twenty[-3:] == [95, 47, 0] and len(twenty) == 21


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def precision(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    with default_dtype(request.param):
        yield request.param


@pytest.fixture(scope="module")
def filled(recipe: ModuleType) -> UNet3D:
    """The published network in float32."""
    return recipe.fill(UNet3D(UnetModel(), 1024, 256))


def test_golden_samples(reference: Path, recipe: ModuleType, filled: UNet3D, precision: torch.dtype) -> None:
    golden = np.load(reference / "ddim.npz")
    net = filled if precision == torch.float32 else recipe.fill_from(UNet3D(UnetModel(), 1024, 256), filled)
    inputs = recipe.tensors(recipe.unet_inputs(6))
    static = torch.cat((inputs["fea"], inputs["mask"]), dim=1)
    start, later = recipe.ddim_noise(6, 5)
    noises = [torch.from_numpy(noise).to(precision) for noise in (start, *later)]
    diffusion = GaussianDiffusion(Diffusion()).to(precision)
    trace: list[tuple[Tensor, Tensor]] = []

    def prepare(scale: float) -> ConditionCache:
        speech, pose, eye = (inputs["cond"] * scale).split((1024, 6, 2), dim=-1)
        return net.prepare(static, speech=speech, pose=pose, eye=eye, window=80)

    with torch.no_grad():
        conditions, dropped = prepare(1), prepare(0)

    of_noise: list[Tensor] = []  # output of the first step, which is every sampler's

    def conditional(x: Tensor, t: Tensor) -> Tensor:
        if not torch.equal(x, noises[0]):
            return net(x, t, conditions)
        if not of_noise:
            of_noise.append(net(x, t, conditions))
        return of_noise[0]

    def plain(x: Tensor, t: Tensor) -> Tensor:
        output = conditional(x, t)
        trace.append((x, diffusion.predict_x0(x, t, output)))
        return output

    def guided(x: Tensor, t: Tensor) -> Tensor:
        null = net(x, t, dropped)
        return null + 2.0 * (conditional(x, t) - null)

    samplers = [("eta1_cs1", plain, 1.0), ("eta0_cs1", plain, 0.0), ("eta1_cs2", guided, 1.0)]
    for tag, network, eta in samplers if precision == torch.float32 else samplers[:1]:
        sample = diffusion.sample(network, steps=5, eta=eta, noises=noises)
        check(sample, golden[f"sample_{tag}"], SAMPLES)
        assert float(sample.abs().max()) <= 1
    for step in (0, 1):
        x, clean = (value[..., ::2, ::2] for value in trace[step])
        check(x, golden[f"step{step}_x_t_sub2"], SAMPLES)
        check(clean, golden[f"step{step}_x0_raw_sub2"], SAMPLES)
    limits = torch.cat([quantile(clean.abs().flatten(1), 0.9) for _, clean in trace[:5]])
    rtol = SAMPLES.kernels if precision == torch.float32 else SAMPLES.rounding
    np.testing.assert_allclose(limits.numpy(), golden["x0_absq90"], rtol=rtol)


def draw(seed: int = 0, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x0, noise = (torch.randn(batch, 3, 4, 8, 8, generator=generator) for _ in range(2))
    return x0.clamp(-1, 1), noise, torch.randint(1000, (batch,), generator=generator)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_predictions_invert_the_target(objective: Objective) -> None:
    diffusion = GaussianDiffusion(Diffusion(objective=objective)).double()
    x0, noise, t = draw()
    x0, noise = x0.double(), noise.double()
    noisy = diffusion.q_sample(x0, t, noise)
    output = diffusion.target(x0, t, noise)
    torch.testing.assert_close(diffusion.predict_x0(noisy, t, output), x0, rtol=1e-3, atol=1e-3)  # schedule in float32
    torch.testing.assert_close(diffusion.predict_noise(noisy, t, output), noise, rtol=1e-3, atol=1e-3)


def test_objectives_give_the_same_samples() -> None:
    x0, _, _ = draw()
    paths = []
    for objective in OBJECTIVES:
        diffusion = GaussianDiffusion(Diffusion(objective=objective))
        path: list[Tensor] = []

        def oracle(x: Tensor, t: Tensor, diffusion: GaussianDiffusion = diffusion, path: list[Tensor] = path) -> Tensor:
            path.append(x)
            a = diffusion.sqrt_alphas_cumprod[t].view(-1, 1, 1, 1, 1)
            b = diffusion.sqrt_one_minus_alphas_cumprod[t].view(-1, 1, 1, 1, 1)
            return diffusion.target(x0, t, (x - a * x0) / b)

        noises = torch.randn((8, *x0.shape), generator=torch.Generator().manual_seed(3))
        sample = diffusion.sample(oracle, steps=8, eta=1.0, noises=noises)
        torch.testing.assert_close(sample, x0, rtol=1e-3, atol=1e-3)
        paths.append(torch.stack(path))
    for path_ in paths[1:]:
        torch.testing.assert_close(path_, paths[0], rtol=1e-3, atol=1e-3)


def test_noise_level_follows_the_schedule() -> None:
    diffusion = GaussianDiffusion(Diffusion())
    noise = torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    for step in (0, 500, 999):
        noisy = diffusion.q_sample(torch.ones_like(noise), torch.tensor([step]), noise)
        product = float(diffusion.alphas_cumprod[step])
        assert float(noisy.mean()) == pytest.approx(product**0.5, abs=0.02)
        assert float(noisy.std()) == pytest.approx((1 - product) ** 0.5, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.floats(0, 1), st.integers(0, 10**6))
def test_quantile_is_torch_quantile(length: int, q: float, seed: int) -> None:
    x = torch.randn(3, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(quantile(x, q), torch.quantile(x, q, dim=1))


def test_quantile_of_more_than_two_to_the_24() -> None:
    length = 2**24 + 9
    x = (torch.arange(length) * 7919 % 1009).float()[None]
    assert float(quantile(x, 0.9)) == pytest.approx(float(np.quantile(x[0].numpy(), 0.9)))


def test_threshold_keeps_small_samples_and_bounds_large_ones() -> None:
    diffusion = GaussianDiffusion(Diffusion())
    x0 = torch.stack((torch.linspace(-0.9, 0.9, 48), torch.linspace(-7, 7, 48))).view(2, 3, 1, 4, 4)
    out = diffusion.threshold(x0)
    assert torch.equal(out[0], x0[0])
    assert float(out[1].max()) == 1 and float(out[1].min()) == -1
    assert torch.equal(GaussianDiffusion(Diffusion(threshold_quantile=0)).threshold(x0), x0)


def test_a_sample_depends_on_its_noise_only() -> None:
    diffusion = GaussianDiffusion(Diffusion())

    def sample(seed: int, eta: float = 1.0) -> Tensor:
        noises = torch.randn((4, 1, 3, 2, 4, 4), generator=torch.Generator().manual_seed(seed))
        return diffusion.sample(lambda x, t: x, steps=4, eta=eta, noises=noises)

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert not torch.equal(sample(1), sample(1, eta=0.0))


def test_errors_name_invalid_sampling_arguments() -> None:
    diffusion = GaussianDiffusion(Diffusion())
    noise = torch.zeros(1, 3, 2, 4, 4)
    for steps in (0, 1000):
        with pytest.raises(InputError, match="between 1 and 999"):
            diffusion.ddim_times(steps)
    with pytest.raises(InputError, match="3 noises, got 2"):
        diffusion.sample(lambda x, t: x, steps=3, eta=1.0, noises=[noise, noise])


@pytest.mark.parametrize("kind", ["absolute", "residual"])
def test_motion_round_trip(kind: Literal["absolute", "residual"]) -> None:
    config = Diffusion(flow=kind, flow_range=0.3)
    generator = torch.Generator().manual_seed(0)
    flow = torch.rand(2, 5, 4, 8, 2, generator=generator) * 2 - 1
    occlusion = torch.rand(2, 5, 1, 4, 8, generator=generator)
    data = motion_to_data(flow, occlusion, config)
    assert data.shape == (2, 3, 5, 4, 8)
    back_flow, back_occlusion = data_to_motion(data, config)
    torch.testing.assert_close(back_flow, flow)
    torch.testing.assert_close(back_occlusion, occlusion)


def test_identity_motion_is_zero_if_residual_and_the_grid_if_absolute() -> None:
    grid = coordinate_grid(3, 5, like=torch.zeros(3, 5, 2))
    assert torch.equal(grid[0, 0], torch.tensor([-1.0, -1])) and torch.equal(grid[2, 4], torch.tensor([1.0, 1]))
    assert torch.equal(grid[0, 4], torch.tensor([1.0, -1]))
    flow, occlusion = grid.expand(1, 2, 3, 5, 2), torch.ones(1, 2, 1, 3, 5)
    residual = motion_to_data(flow, occlusion, Diffusion(flow="residual", flow_range=0.3))
    assert bool((residual[:, :2] == 0).all()) and bool((residual[:, 2] == 1).all())
    absolute = motion_to_data(flow, occlusion, Diffusion())
    assert torch.equal(absolute[0, 0, 0], grid[..., 0]) and torch.equal(absolute[0, 1, 1], grid[..., 1])


def test_dpm_needs_fewer_steps_than_ddim() -> None:
    """For normally distributed data the best denoiser is known, and the deterministic path only scales the noise."""
    diffusion = GaussianDiffusion(Diffusion(threshold_quantile=0))
    spread = 0.5
    noise = torch.randn(1, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0))

    def network(x: Tensor, t: Tensor) -> Tensor:
        product = diffusion.alphas_cumprod[t].view(-1, 1, 1, 1, 1)
        return (1 - product).sqrt() * x / (product * spread**2 + 1 - product)

    def error(steps: int, solver: Literal["ddim", "dpm++"]) -> float:
        product = diffusion.alphas_cumprod[diffusion.ddim_times(steps)[0]]
        expected = noise * spread / (product * spread**2 + 1 - product).sqrt()
        sample = diffusion.sample(network, steps=steps, eta=0, solver=solver, noises=[noise])
        return float((sample - expected).abs().max() / expected.abs().max())

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

        sample = diffusion.sample(oracle, steps=6, solver="dpm++", noises=[start])
        torch.testing.assert_close(sample, x0, rtol=1e-3, atol=1e-3)
