"""Gaussian diffusion on motion (paper 3.1, eq. 1, 2 and 6) and its non-autoregressive sampler (paper 3.6).

Data are (b, 3, f, h, w): flow x, flow y and 2 * occlusion - 1. Everything is a function of its arguments: noise comes
from a generator or is given, and the network is any callable ``(x_t, t) -> output``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dawn.config import Diffusion
from dawn.errors import InputError
from dawn.models.warping import coordinate_grid

Network = Callable[[Tensor, Tensor], Tensor]
Update = Callable[[int, Tensor, Tensor, Tensor], Tensor]  # step, x_t, clean data, noise to the next x_t


class GaussianDiffusion(nn.Module):
    """The cosine schedule of `settings.timesteps` steps as buffers (float64 rounded to float32), and what follows."""

    betas: Tensor
    alphas_cumprod: Tensor
    alphas_cumprod_prev: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor
    sqrt_recip_alphas_cumprod: Tensor
    sqrt_recipm1_alphas_cumprod: Tensor

    def __init__(self, settings: Diffusion) -> None:
        super().__init__()
        self.settings = settings
        for name, values in cosine_schedule(settings.timesteps).items():
            self.register_buffer(name, values.float())

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Noisy data at steps t (b,) (paper eq. 1)."""
        return _at(self.sqrt_alphas_cumprod, t, x0) * x0 + _at(self.sqrt_one_minus_alphas_cumprod, t, x0) * noise

    def target(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """What the network should return for ``q_sample(x0, t, noise)`` (paper eq. 2: the noise)."""
        match self.settings.objective:
            case "noise":
                return noise
            case "clean":
                return x0
            case "v":
                a, b = _at(self.sqrt_alphas_cumprod, t, x0), _at(self.sqrt_one_minus_alphas_cumprod, t, x0)
                return a * noise - b * x0

    def clean(self, x_t: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """The clean data that the network's `output` at steps t (b,) stands for, before thresholding."""
        match self.settings.objective:
            case "noise":
                a, b = _at(self.sqrt_recip_alphas_cumprod, t, x_t), _at(self.sqrt_recipm1_alphas_cumprod, t, x_t)
                return a * x_t - b * output
            case "clean":
                return output
            case "v":
                a, b = _at(self.sqrt_alphas_cumprod, t, x_t), _at(self.sqrt_one_minus_alphas_cumprod, t, x_t)
                return a * x_t - b * output

    def noise(self, x_t: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """The noise that the network's `output` at steps t (b,) stands for."""
        a, b = _at(self.sqrt_alphas_cumprod, t, x_t), _at(self.sqrt_one_minus_alphas_cumprod, t, x_t)
        match self.settings.objective:
            case "noise":
                return output
            case "clean":
                return (x_t - a * output) / b
            case "v":
                return a * output + b * x_t

    def threshold(self, x0: Tensor) -> Tensor:
        """Dynamic thresholding: clamp each sample to the quantile of its magnitudes, at least 1, and divide by it."""
        if self.settings.threshold_quantile == 0:
            return x0
        limit = quantile(x0.abs().flatten(1), self.settings.threshold_quantile).clamp(min=1)
        limit = limit.view(-1, *(1,) * (x0.dim() - 1))
        return x0.clamp(-limit, limit) / limit

    def ddim_times(self, steps: int) -> list[int]:
        """Steps visited, largest first, ending at 0 (published: the last of `steps` updates leads to 0)."""
        total = self.settings.timesteps
        if not 1 <= steps < total:
            raise InputError(f"sampling steps must be between 1 and {total - 1}, got {steps}")
        spaced = torch.linspace(0, total, steps + 2, dtype=torch.float64)[:-1]
        return [int(value) for value in spaced.flip(0).tolist()]

    @torch.no_grad()
    def sample(
        self,
        network: Network,
        shape: Sequence[int],
        *,
        steps: int,
        eta: float = 1.0,
        solver: Literal["ddim", "dpm++"] = "ddim",
        generator: torch.Generator | None = None,
        noises: Sequence[Tensor] | None = None,
        progress: bool = False,
    ) -> Tensor:
        """Clean data of `shape` (b, 3, f, h, w) in `steps` network calls at the times of :meth:`ddim_times`.

        ``ddim`` is DDIM (`eta` 1 stochastic, 0 deterministic); ``dpm++`` is DPM-Solver++ (2M, Lu et al. 2023), which
        draws no noise after the start and needs fewer steps. `network` takes x_t and t (b,) int64; guidance is its own
        affair. Noise is drawn from `generator` on its device, or given as `noises`: the start, then one for each step
        but the last. Raises InputError when neither or both are given, or when `noises` are too few.
        """
        if (generator is None) == (noises is None):
            raise InputError("sampling needs exactly one of generator and noises")
        if noises is not None and len(noises) < (steps if solver == "ddim" and eta > 0 else 1):
            raise InputError(f"{steps} sampling steps need {steps} noises, got {len(noises)}")
        device = self.alphas_cumprod.device

        def draw(index: int) -> Tensor:
            if noises is not None:
                return noises[index].to(device)
            assert generator is not None
            return torch.randn(tuple(shape), generator=generator, device=generator.device).to(device)

        times = self.ddim_times(steps)
        update = self._ddim(times, eta, draw) if solver == "ddim" else self._dpm(times)
        x = draw(0)
        for index, now in enumerate(tqdm(times[:-1], desc="sampling", unit="step", disable=not progress)):
            t = torch.full((x.shape[0],), now, dtype=torch.long, device=device)
            output = network(x, t)
            x = update(index, x, self.threshold(self.clean(x, t, output)), self.noise(x, t, output))
        return x

    def _ddim(self, times: list[int], eta: float, draw: Callable[[int], Tensor]) -> Update:
        alphas = self.alphas_cumprod_prev.tolist()

        def update(index: int, x: Tensor, clean: Tensor, noise: Tensor) -> Tensor:
            then = times[index + 1]
            before, after = alphas[times[index]], alphas[then]
            sigma = eta * math.sqrt((1 - before / after) * (1 - after) / (1 - before))
            x = clean * math.sqrt(after) + noise * math.sqrt(1 - after - sigma**2)
            return x + sigma * draw(index + 1) if then > 0 and sigma > 0 else x

        return update

    def _dpm(self, times: list[int]) -> Update:
        from diffusers import DPMSolverMultistepScheduler  # takes seconds to import

        # It is given the thresholded clean data: its own thresholding refuses long videos.
        solver: Any = DPMSolverMultistepScheduler(
            num_train_timesteps=self.settings.timesteps,
            trained_betas=self.betas.cpu().numpy(),
            prediction_type="sample",
            solver_order=2,
        )
        solver.set_timesteps(timesteps=times[:-1])

        def update(index: int, x: Tensor, clean: Tensor, noise: Tensor) -> Tensor:
            return solver.step(clean, times[index], x).prev_sample

        return update


def cosine_schedule(timesteps: int) -> dict[str, Tensor]:
    """The cosine schedule (Nichol & Dhariwal 2021, s = 0.008) and the tables derived from it, float64 (timesteps,)."""
    phase = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64) / timesteps
    curve = torch.cos((phase + 0.008) / 1.008 * math.pi / 2) ** 2
    curve = curve / curve[0]
    betas = (1 - curve[1:] / curve[:-1]).clamp(0, 0.9999)
    alphas = 1 - betas
    product = alphas.cumprod(0)
    before = torch.cat((product.new_ones(1), product[:-1]))
    variance = betas * (1 - before) / (1 - product)
    return {
        "betas": betas,
        "alphas_cumprod": product,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": product.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - product).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - product).log(),
        "sqrt_recip_alphas_cumprod": (1 / product).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / product - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - product),
        "posterior_mean_coef2": (1 - before) * alphas.sqrt() / (1 - product),
    }


def quantile(x: Tensor, q: float) -> Tensor:
    """Linearly interpolated q-quantile of each row of x (b, n), as ``torch.quantile`` but for rows of any length."""
    place = q * (x.shape[1] - 1)
    low = math.floor(place)
    lower = x.kthvalue(low + 1, dim=1).values
    if low == place:
        return lower
    upper = x.kthvalue(low + 2, dim=1).values
    return torch.lerp(lower, upper, place - low)


def to_data(flow: Tensor, occlusion: Tensor, settings: Diffusion) -> Tensor:
    """Motion to diffusion data (b, 3, f, h, w).

    `flow` (b, f, h, w, 2) is the absolute sampling grid in [-1, 1], `occlusion` (b, f, 1, h, w) in [0, 1]. With
    ``flow: residual`` the identity grid is taken off; flow is divided by ``flow_range``.
    """
    if settings.flow == "residual":
        flow = flow - coordinate_grid(flow.shape[-3], flow.shape[-2], like=flow)
    return torch.cat((flow.permute(0, 4, 1, 2, 3) / settings.flow_range, 2 * occlusion.transpose(1, 2) - 1), dim=1)


def from_data(data: Tensor, settings: Diffusion) -> tuple[Tensor, Tensor]:
    """Inverse of :func:`to_data`: flow (b, f, h, w, 2) and occlusion (b, f, 1, h, w).

    Occlusion is (x + 1) / 2 as published and needs no clamp: thresholded samples are in [-1, 1]. Unthresholded data
    are clamped to [0, 1], the range in which the decoder mixes.
    """
    flow = data[:, :2].permute(0, 2, 3, 4, 1) * settings.flow_range
    if settings.flow == "residual":
        flow = flow + coordinate_grid(flow.shape[-3], flow.shape[-2], like=flow)
    return flow, ((data[:, 2:] + 1) / 2).clamp(0, 1).transpose(1, 2)


def _at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Rows t (b,) of a table, shaped to multiply `like` (b, ...)."""
    return table[t].to(like.dtype).view(-1, *(1,) * (like.dim() - 1))
