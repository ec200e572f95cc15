"""The energy score: only the true distribution of motions minimises it, and padding has no part in it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from dawn.training.energy_score import SPEED_WEIGHT, energy_score

FRAMES, CHANNELS = 24, 2


def motions(count: int, generator: torch.Generator, spread: float = 1.0, shift: float = 0.0) -> Tensor:
    """Draw waves (count, n, c) of random phase and amplitude."""
    phase = 2 * math.pi * torch.rand(count, 1, CHANNELS, generator=generator)
    size = spread * torch.randn(count, 1, CHANNELS, generator=generator)
    return size * torch.sin(0.4 * torch.arange(FRAMES)[None, :, None] + phase) + shift


def score(first: Tensor, second: Tensor, truth: Tensor) -> float:
    return float(
        energy_score((first, second), truth, torch.ones(truth.shape[:2], dtype=torch.bool), torch.ones(CHANNELS))
    )


def test_samples_of_the_true_distribution_have_the_lowest_score() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = motions(4000, generator)

    def expected(spread: float = 1.0, shift: float = 0.0) -> float:
        return score(*(motions(4000, generator, spread, shift) for _ in range(2)), truth)

    best = expected()
    for other in (expected(spread=0.4), expected(spread=2.0), expected(shift=0.7)):
        assert other > best + 0.03
    one = motions(4000, generator)
    assert score(one, one, truth) > best + 0.5  # the same motion for all noise
    still = torch.zeros_like(truth)
    assert score(still, still, truth) > best + 0.3
    jitter = motions(4000, generator), motions(4000, generator)
    assert score(*(value + 0.5 * torch.randn(value.shape, generator=generator) for value in jitter), truth) > best + 0.2


def test_equal_samples_pay_their_distance_from_the_truth() -> None:
    # Constant distance 2: whole, channel, 4 and 16 frames; differences in time are equal.
    truth = torch.zeros(3, FRAMES, CHANNELS)
    assert score(truth + 2, truth + 2, truth) == pytest.approx(4 * 2, abs=5e-3)
    # Samples at +2 and -2: mean distance 2 minus half of 4.
    assert score(truth + 2, truth - 2, truth) == pytest.approx(0, abs=5e-3)
    # A ramp of slope 1 in both samples: its differences are 1 everywhere.
    ramp = truth + torch.arange(FRAMES)[None, :, None]
    whole = math.sqrt(sum(k * k for k in range(FRAMES)) / FRAMES)
    windows = [sum(math.sqrt(sum(k * k for k in range(s, s + w)) / w) for s in starts) / len(starts)
               for w, starts in ((4, range(0, FRAMES - 3, 2)), (16, range(0, FRAMES - 15, 8)))]  # fmt: skip
    assert score(ramp, ramp, truth) == pytest.approx(2 * whole + sum(windows) + SPEED_WEIGHT, rel=2e-3)


def test_padding_has_no_part() -> None:
    generator = torch.Generator().manual_seed(2)
    first, second, truth = (motions(5, generator) for _ in range(3))
    mask = torch.arange(FRAMES) < torch.tensor([24, 20, 16, 9, 24])[:, None]
    unit = torch.tensor([1.0, 0.3])
    value = energy_score((first, second), truth, mask, unit)
    noisy = [torch.where(mask[..., None], v, torch.randn(v.shape, generator=generator)) for v in (first, second, truth)]
    torch.testing.assert_close(energy_score(noisy[:2], noisy[2], mask, unit), value)


def test_units_scale_channels() -> None:
    generator = torch.Generator().manual_seed(3)
    values = [motions(5, generator) for _ in range(3)]
    mask = torch.ones(5, FRAMES, dtype=torch.bool)
    unit = torch.tensor([2.0, 0.1])
    torch.testing.assert_close(
        energy_score([value * unit for value in values[:2]], values[2] * unit, mask, unit),
        energy_score(values[:2], values[2], mask, torch.ones(2)),
    )


@pytest.mark.parametrize(("weight", "spread"), [(1.0, (0.7, 1.4)), (0.0, (0.0, 0.1))])
def test_a_network_learns_to_use_its_noise(weight: float, spread: tuple[float, float]) -> None:
    """Truth turns left or right by one, at random; without the score, the mean error trains a network to do neither."""
    torch.manual_seed(4)
    net = nn.Sequential(nn.Linear(4, 32), nn.GELU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    ones, unit = torch.ones(64, FRAMES, dtype=torch.bool), torch.ones(1)
    for _ in range(150):
        truth = torch.randint(2, (64, 1, 1)).float().mul(2).sub(1).expand(-1, FRAMES, -1)
        samples = [net(torch.randn(64, 4))[:, None].expand(-1, FRAMES, -1) for _ in range(2)]
        loss = energy_score(samples, truth, ones, unit) if weight else ((samples[0] - truth) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    low, high = spread
    assert low <= float(net(torch.randn(500, 4)).detach().std()) <= high
