"""Diffusion: published schedule and samples, identities between objectives, motion in and out."""

from __future__ import annotations

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
from dawn.models.diffusion import GaussianDiffusion, from_data, quantile, to_data
from dawn.models.unet3d import UNet3D
from dawn.models.warping import coordinate_grid
from tests.support.golden import error

Objective = Literal["noise", "clean", "v"]
OBJECTIVES: tuple[Objective, ...] = ("noise", "clean", "v")


# ------------------------------------------------------------------------------------------------- published numbers
def test_schedule_is_the_published_one(reference: Path, recipe: ModuleType) -> None:
    golden = np.load(reference / "ddim.npz")
    tables = GaussianDiffusion(Diffusion()).state_dict()
    assert list(tables) == [name for name in recipe.shapes("diffusion") if not name.startswith("denoise_fn.")]
    for name, table in tables.items():
        assert table.dtype == torch.float32
        np.testing.assert_array_equal(table.numpy(), golden[f"sched_{name}"], err_msg=name)


def test_times_are_the_published_ones(reference: Path) -> None:
    diffusion = GaussianDiffusion(Diffusion())
    assert diffusion.ddim_times(5) == [*np.load(reference / "ddim.npz")["times"], 0]
    twenty = diffusion.ddim_times(20)
    assert twenty[:3] == [952, 904, 857] and twenty[-3:] == [95, 47, 0] and len(twenty) == 21


def test_golden_samples(reference: Path, recipe: ModuleType) -> None:
    golden = np.load(reference / "ddim.npz")
    net = recipe.fill(UNet3D(UnetModel(), 1024, 256)).requires_grad_(False)
    inputs = {name: torch.from_numpy(value) for name, value in recipe.unet_inputs(6).items()}
    static = torch.cat((inputs["fea"], inputs["mask"]), dim=1)
    start, later = recipe.ddim_noise(6, 5)
    noises = [torch.from_numpy(noise) for noise in (start, *later)]
    diffusion = GaussianDiffusion(Diffusion())
    trace: list[tuple[Tensor, Tensor]] = []

    def run(x: Tensor, t: Tensor, scale: float) -> Tensor:
        speech, pose, eye = (inputs["cond"] * scale).split((1024, 6, 2), dim=-1)
        return net(x, t, net.prepare(static, speech=speech, pose=pose, eye=eye, window=80))

    def plain(x: Tensor, t: Tensor) -> Tensor:
        output = run(x, t, 1)
        trace.append((x, diffusion.clean(x, t, output)))
        return output

    def guided(x: Tensor, t: Tensor) -> Tensor:
        null = run(x, t, 0)
        return null + 2.0 * (run(x, t, 1) - null)

    for tag, network, eta in (("eta1_cs1", plain, 1.0), ("eta0_cs1", plain, 0.0), ("eta1_cs2", guided, 1.0)):
        sample = diffusion.sample(network, start.shape, steps=5, eta=eta, noises=noises)
        assert error(sample, golden[f"sample_{tag}"]) < 6e-5, tag
        assert float(sample.abs().max()) <= 1
    for step in (0, 1):
        x, clean = (value[..., ::2, ::2] for value in trace[step])
        assert error(x, golden[f"step{step}_x_t_sub2"]) < 6e-5
        assert error(clean, golden[f"step{step}_x0_raw_sub2"]) < 6e-5
    limits = torch.cat([quantile(clean.abs().flatten(1), 0.9) for _, clean in trace[:5]])
    np.testing.assert_allclose(limits.numpy(), golden["x0_absq90"], rtol=6e-5)


# ------------------------------------------------------------------------------------------------- laws
def draw(seed: int = 0, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    make = torch.Generator().manual_seed(seed)
    x0, noise = (torch.randn(batch, 3, 4, 8, 8, generator=make) for _ in range(2))
    return x0.clamp(-1, 1), noise, torch.randint(1000, (batch,), generator=make)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_target_stands_for_the_clean_data_and_the_noise(objective: Objective) -> None:
    diffusion = GaussianDiffusion(Diffusion(objective=objective)).double()
    x0, noise, t = draw()
    x0, noise = x0.double(), noise.double()
    noisy = diffusion.q_sample(x0, t, noise)
    output = diffusion.target(x0, t, noise)
    torch.testing.assert_close(diffusion.clean(noisy, t, output), x0, rtol=1e-3, atol=1e-3)  # tables are float32
    torch.testing.assert_close(diffusion.noise(noisy, t, output), noise, rtol=1e-3, atol=1e-3)


def test_objectives_take_the_same_path() -> None:
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

        generator = torch.Generator().manual_seed(3)
        sample = diffusion.sample(oracle, x0.shape, steps=8, eta=1.0, generator=generator)
        torch.testing.assert_close(sample, x0, rtol=1e-3, atol=1e-3)
        paths.append(torch.stack(path))
    for path_ in paths[1:]:
        torch.testing.assert_close(path_, paths[0], rtol=1e-3, atol=1e-3)


def test_noise_added_is_as_the_schedule_says() -> None:
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


def test_sample_depends_on_the_generator_alone() -> None:
    diffusion = GaussianDiffusion(Diffusion())

    def sample(seed: int, eta: float = 1.0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return diffusion.sample(lambda x, t: x, (1, 3, 2, 4, 4), steps=4, eta=eta, generator=generator)

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    assert not torch.equal(sample(1), sample(1, eta=0.0))


def test_wrong_sampling_is_named() -> None:
    diffusion = GaussianDiffusion(Diffusion())
    noise = torch.zeros(1, 3, 2, 4, 4)
    for steps in (0, 1000):
        with pytest.raises(InputError, match="between 1 and 999"):
            diffusion.ddim_times(steps)
    with pytest.raises(InputError, match="exactly one of generator and noises"):
        diffusion.sample(lambda x, t: x, noise.shape, steps=3, eta=1.0)
    with pytest.raises(InputError, match="3 noises, got 2"):
        diffusion.sample(lambda x, t: x, noise.shape, steps=3, eta=1.0, noises=[noise, noise])


# ------------------------------------------------------------------------------------------------- motion
@pytest.mark.parametrize("kind", ["absolute", "residual"])
def test_motion_survives_the_way_there_and_back(kind: Literal["absolute", "residual"]) -> None:
    config = Diffusion(flow=kind, flow_range=0.3)
    make = torch.Generator().manual_seed(0)
    flow = torch.rand(2, 5, 4, 8, 2, generator=make) * 2 - 1
    occlusion = torch.rand(2, 5, 1, 4, 8, generator=make)
    data = to_data(flow, occlusion, config)
    assert data.shape == (2, 3, 5, 4, 8)
    back_flow, back_occlusion = from_data(data, config)
    torch.testing.assert_close(back_flow, flow)
    torch.testing.assert_close(back_occlusion, occlusion)


def test_no_motion_is_zero_when_residual_and_the_grid_when_absolute() -> None:
    grid = coordinate_grid(3, 5, like=torch.zeros(3, 5, 2))
    assert torch.equal(grid[0, 0], torch.tensor([-1.0, -1])) and torch.equal(grid[2, 4], torch.tensor([1.0, 1]))
    assert torch.equal(grid[0, 4], torch.tensor([1.0, -1]))
    flow, occlusion = grid.expand(1, 2, 3, 5, 2), torch.ones(1, 2, 1, 3, 5)
    residual = to_data(flow, occlusion, Diffusion(flow="residual", flow_range=0.3))
    assert bool((residual[:, :2] == 0).all()) and bool((residual[:, 2] == 1).all())
    absolute = to_data(flow, occlusion, Diffusion())
    assert torch.equal(absolute[0, 0, 0], grid[..., 0]) and torch.equal(absolute[0, 1, 1], grid[..., 1])
