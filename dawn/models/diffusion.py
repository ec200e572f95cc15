"""Gaussian diffusion on motion (paper 3.1, eq. 1, 2 and 6) and its non-autoregressive sampler (paper 3.6).

Data x_0 are (b, 3, f, h, w): flow x, flow y and 2 * occlusion - 1. There is no global state: noise comes from a
generator or a list, and the network is any callable ``(x_t, t) -> output``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from dawn.config import Diffusion
from dawn.errors import InputError
from dawn.models.warping import coordinate_grid

Network = Callable[[Tensor, Tensor], Tensor]
Update = Callable[[int, Tensor, Tensor, Tensor], Tensor]  # index, x_t, predicted x_0, predicted noise -> next x_t


class GaussianDiffusion(nn.Module):
    """Forward process and sampler with the cosine schedule of `settings.timesteps` steps, in float32 buffers."""

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
        """Diffuse clean data to x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps at steps t (b,) (paper eq. 1)."""
        return _at(self.sqrt_alphas_cumprod, t, x0) * x0 + _at(self.sqrt_one_minus_alphas_cumprod, t, x0) * noise

    def target(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Compute the training target of the network for ``q_sample(x0, t, noise)`` (paper eq. 2: the noise)."""
        match self.settings.objective:
            case "noise":
                return noise
            case "clean":
                return x0
            case "v":
                a, b = _at(self.sqrt_alphas_cumprod, t, x0), _at(self.sqrt_one_minus_alphas_cumprod, t, x0)
                return a * noise - b * x0

    def predict_x0(self, x_t: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Compute the clean data x_0 predicted by the network's `output` at steps t (b,), before thresholding."""
        match self.settings.objective:
            case "noise":
                a, b = _at(self.sqrt_recip_alphas_cumprod, t, x_t), _at(self.sqrt_recipm1_alphas_cumprod, t, x_t)
                return a * x_t - b * output
            case "clean":
                return output
            case "v":
                a, b = _at(self.sqrt_alphas_cumprod, t, x_t), _at(self.sqrt_one_minus_alphas_cumprod, t, x_t)
                return a * x_t - b * output

    def predict_noise(self, x_t: Tensor, t: Tensor, output: Tensor) -> Tensor:
        """Compute the noise eps predicted by the network's `output` at steps t (b,)."""
        a, b = _at(self.sqrt_alphas_cumprod, t, x_t), _at(self.sqrt_one_minus_alphas_cumprod, t, x_t)
        match self.settings.objective:
            case "noise":
                return output
            case "clean":
                return (x_t - a * output) / b
            case "v":
                return a * output + b * x_t

    def threshold(self, x0: Tensor) -> Tensor:
        """Apply dynamic thresholding: clamp each sample to the quantile s >= 1 of its magnitudes, and divide by s."""
        if self.settings.threshold_quantile == 0:
            return x0
        s = quantile(x0.abs().flatten(1), self.settings.threshold_quantile).clamp(min=1)
        s = s.view(-1, *(1,) * (x0.dim() - 1))
        return x0.clamp(-s, s) / s

    def ddim_times(self, steps: int) -> list[int]:
        """Compute the steps + 1 diffusion steps of the sampler, descending to 0 as published.

        Each update leads to the following step, the last one to 0. Raises InputError unless 1 <= steps < timesteps.
        """
        total = self.settings.timesteps
        if not 1 <= steps < total:
            raise InputError(f"sampling steps must be between 1 and {total - 1}, got {steps}")
        spaced = torch.linspace(0, total, steps + 2, dtype=torch.float64)[:-1]
        return [int(value) for value in spaced.flip(0).tolist()]

    @torch.no_grad()
    def sample(
        self,
        network: Network,
        *,
        steps: int,
        eta: float = 1.0,
        solver: Literal["ddim", "dpm++"] = "ddim",
        noises: Iterable[Tensor],
        progress: bool = False,
    ) -> Tensor:
        """Sample clean data (b, 3, f, h, w) in `steps` network calls at the steps of :meth:`ddim_times`.

        ``ddim`` is DDIM (`eta` 1 stochastic, 0 deterministic); ``dpm++`` is DPM-Solver++ (2M, Lu et al. 2023), which
        draws no noise after the first and needs fewer steps. `network` takes x_t and t (b,) int64 and applies guidance
        itself. `noises` are standard normal: x_T, then one for each step but the last (:func:`noises_of`). Raises
        InputError for a list of too few.
        """
        needed = noises_of(steps, eta, solver)
        if isinstance(noises, Sequence) and len(noises) < needed:
            raise InputError(f"{steps} sampling steps need {needed} noises, got {len(noises)}")
        device = self.alphas_cumprod.device
        drawn = iter(noises)
        times = self.ddim_times(steps)
        update = self._ddim(times, eta, drawn) if solver == "ddim" else self._dpm(times)
        x = next(drawn).to(device)
        steps_left: Iterable[int] = times[:-1]
        if progress:
            from tqdm import tqdm

            steps_left = tqdm(steps_left, desc="sampling", unit="step")
        for index, now in enumerate(steps_left):
            t = torch.full((x.shape[0],), now, dtype=torch.long, device=device)
            output = network(x, t)
            x0 = self.threshold(self.predict_x0(x, t, output))
            x = update(index, x, x0, self.predict_noise(x, t, output))
        return x

    def _ddim(self, times: list[int], eta: float, noises: Iterator[Tensor]) -> Update:
        abar = self.alphas_cumprod_prev.tolist()  # 1 at step 0, so that the last update returns x_0

        def update(index: int, x: Tensor, x0: Tensor, noise: Tensor) -> Tensor:
            following = times[index + 1]
            abar_t, abar_s = abar[times[index]], abar[following]
            # x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s - sigma^2) eps + sigma z (Song et al. 2021, eq. 12 and 16)
            sigma = eta * math.sqrt((1 - abar_t / abar_s) * (1 - abar_s) / (1 - abar_t))
            x = x0 * math.sqrt(abar_s) + noise * math.sqrt(1 - abar_s - sigma**2)
            if following == 0 or sigma == 0:
                return x
            return x + sigma * next(noises).to(x.device, non_blocking=True)

        return update

    def _dpm(self, times: list[int]) -> Update:
        from diffusers import DPMSolverMultistepScheduler  # takes seconds to import

        # The solver receives thresholded clean data: the thresholding of the library fails on long videos.
        solver: Any = DPMSolverMultistepScheduler(
            num_train_timesteps=self.settings.timesteps,
            trained_betas=self.betas.cpu().numpy(),
            prediction_type="sample",
            solver_order=2,
        )
        solver.set_timesteps(timesteps=times[:-1])

        def update(index: int, x: Tensor, x0: Tensor, noise: Tensor) -> Tensor:
            return solver.step(x0, times[index], x).prev_sample

        return update


def noises_of(steps: int, eta: float, solver: str) -> int:
    """Count the noises that a sample takes: x_T, and one for each step but the last of a stochastic sampler."""
    return steps if solver == "ddim" and eta > 0 else 1


def cosine_schedule(timesteps: int) -> dict[str, Tensor]:
    """Compute the cosine schedule (Nichol & Dhariwal 2021, s = 0.008) and its derived tables, float64 (timesteps,)."""
    phase = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64) / timesteps
    # abar(t) = cos^2(((t / T + s) / (1 + s)) pi / 2), relative to its value at 0; beta_t = 1 - abar_t / abar_{t - 1}
    curve = torch.cos((phase + 0.008) / 1.008 * math.pi / 2) ** 2
    curve = curve / curve[0]
    betas = (1 - curve[1:] / curve[:-1]).clamp(0, 0.9999)
    alphas = 1 - betas
    abar = alphas.cumprod(0)
    abar_prev = torch.cat((abar.new_ones(1), abar[:-1]))
    variance = betas * (1 - abar_prev) / (1 - abar)
    return {
        "betas": betas,
        "alphas_cumprod": abar,
        "alphas_cumprod_prev": abar_prev,
        "sqrt_alphas_cumprod": abar.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - abar).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - abar).log(),
        "sqrt_recip_alphas_cumprod": (1 / abar).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / abar - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * abar_prev.sqrt() / (1 - abar),
        "posterior_mean_coef2": (1 - abar_prev) * alphas.sqrt() / (1 - abar),
    }


def quantile(x: Tensor, q: float) -> Tensor:
    """Compute the q-quantile (b,) of each row of x (b, n), linearly interpolated.

    ``torch.quantile`` limits n to 2^24.
    """
    place = q * (x.shape[1] - 1)
    low = math.floor(place)
    # The numbers from the lower neighbour of the quantile on: one selection, and a small one for both neighbours.
    above = x.topk(x.shape[1] - low, dim=1, sorted=False).values
    if low == place:
        return above.amin(1)
    lower, upper = above.topk(2, dim=1, largest=False).values.unbind(1)
    return torch.lerp(lower, upper, place - low)


def motion_to_data(flow: Tensor, occlusion: Tensor, settings: Diffusion) -> Tensor:
    """Convert motion to diffusion data (b, 3, f, h, w).

    `flow` (b, f, h, w, 2) is the absolute sampling grid in [-1, 1], `occlusion` (b, f, 1, h, w) in [0, 1]. With ``flow:
    residual`` the identity grid is subtracted; flow is divided by ``flow_range``.
    """
    if settings.flow == "residual":
        flow = flow - coordinate_grid(flow.shape[-3], flow.shape[-2], like=flow)
    flow = rearrange(flow, "b f h w xy -> b xy f h w") / settings.flow_range
    return torch.cat((flow, 2 * rearrange(occlusion, "b f 1 h w -> b 1 f h w") - 1), dim=1)


def data_to_motion(data: Tensor, settings: Diffusion) -> tuple[Tensor, Tensor]:
    """Invert :func:`motion_to_data`: flow (b, f, h, w, 2) and occlusion (b, f, 1, h, w).

    Occlusion is (x + 1) / 2 as published and needs no clamp: thresholded samples are in [-1, 1]. Unthresholded data are
    clamped to [0, 1], the range in which the decoder mixes.
    """
    flow = rearrange(data[:, :2], "b xy f h w -> b f h w xy") * settings.flow_range
    if settings.flow == "residual":
        flow = flow + coordinate_grid(flow.shape[-3], flow.shape[-2], like=flow)
    return flow, rearrange(((data[:, 2:] + 1) / 2).clamp(0, 1), "b 1 f h w -> b f 1 h w")


def _at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Look up `table` at steps t (b,), broadcastable to `like` (b, ...)."""
    return table[t].to(like.dtype).view(-1, *(1,) * (like.dim() - 1))
