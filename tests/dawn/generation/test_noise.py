"""Noise drawn ahead by another thread: the numbers of drawing one by one."""

from __future__ import annotations

import pytest
import torch

from dawn.config import Diffusion
from dawn.generation.noise import drawn_ahead
from dawn.models.diffusion import GaussianDiffusion, noises_of
from dawn.seeds import torch_generator

SHAPE = (1, 3, 4, 8, 8)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_noise_drawn_ahead_is_that_of_the_generator(count: int) -> None:
    ahead, alone = torch_generator(1), torch_generator(1)
    with drawn_ahead(ahead, SHAPE, count) as noises:
        drawn = list(noises)
    assert len(drawn) == count
    assert all(torch.equal(noise, torch.randn(SHAPE, generator=alone)) for noise in drawn)
    assert torch.equal(torch.randn(3, generator=ahead), torch.randn(3, generator=alone))  # no number more


@pytest.mark.parametrize(("eta", "steps"), [(1.0, 4), (0.0, 4), (1.0, 1)])
def test_a_sample_from_noise_drawn_ahead_is_that_of_the_generator(eta: float, steps: int) -> None:
    diffusion = GaussianDiffusion(Diffusion())
    ahead, alone = torch_generator(2), torch_generator(2)
    with drawn_ahead(ahead, SHAPE, noises_of(steps, eta, "ddim")) as noises:
        sample = diffusion.sample(lambda x, t: x / 2, SHAPE, steps=steps, eta=eta, noises=noises)
    expected = diffusion.sample(lambda x, t: x / 2, SHAPE, steps=steps, eta=eta, generator=alone)
    assert torch.equal(sample, expected)
    assert torch.equal(torch.randn(3, generator=ahead), torch.randn(3, generator=alone))
