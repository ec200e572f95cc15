"""Noise of videos: independent of the videos drawn together, and the same when another thread draws it ahead."""

from __future__ import annotations

import pytest
import torch

from dawn.generation.noise import draw, drawn_ahead
from dawn.seeds import torch_generator

SHAPE = (2, 3, 4, 8, 8)


def test_a_video_has_its_noise_whatever_is_drawn_with_it() -> None:
    together = draw([torch_generator(1), torch_generator(2)], SHAPE)
    for seed, noise in zip((1, 2), together, strict=True):
        assert torch.equal(noise, torch.randn(SHAPE[1:], generator=torch_generator(seed)))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_noise_drawn_ahead_is_that_of_the_generators(count: int) -> None:
    ahead, alone = ([torch_generator(1), torch_generator(2)] for _ in range(2))
    with drawn_ahead(ahead, SHAPE, count) as noises:
        drawn = list(noises)
    assert len(drawn) == count
    assert all(torch.equal(noise, draw(alone, SHAPE)) for noise in drawn)
    assert torch.equal(draw(ahead, SHAPE), draw(alone, SHAPE))  # no number more
