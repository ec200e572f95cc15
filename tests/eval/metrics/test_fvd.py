"""Windows of each FVD implementation, and that its networks exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dawn.errors import InputError
from eval.backbones.cards import CARDS
from eval.extract.sampling import window_samplings
from eval.extract.windows import window_features
from eval.metrics.fvd import IMPLEMENTATIONS, WINDOWS


def _net(clips: torch.Tensor) -> torch.Tensor:
    """The first and the last frame's grey, in place of I3D's logits."""
    return torch.stack([clips[:, 0].float().mean((1, 2, 3)), clips[:, -1].float().mean((1, 2, 3))], dim=1)


def _frames(count: int) -> np.ndarray:
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))


def test_every_implementation_names_a_network() -> None:
    assert {network for _, network, _, _ in IMPLEMENTATIONS.values()} <= set(CARDS)


def test_windows_of_each_implementation() -> None:
    rng = np.random.default_rng(0)
    samplings = window_samplings(16)
    assert samplings["windows"].starts(50, "fake", rng) == [0, 16, 32]
    assert samplings["common-metrics"].starts(50, "real", rng) == [0]
    random = samplings["stylegan-v"]
    assert {start for _ in range(500) for start in random.starts(20, "real", rng)} == set(range(5))
    assert random.starts(20, "fake", rng) == [0]
    assert set(samplings) == set(IMPLEMENTATIONS)
    for sampling in (sampling for window in WINDOWS for sampling in window_samplings(window).values()):
        assert sampling.starts(sampling.window - 1, "real", rng) == []
        assert sampling.starts(sampling.window, "real", rng) == [0]


def test_features_are_those_of_the_windows_at_the_given_starts() -> None:
    assert window_features(_frames(40), _net, [3, 20], 16).tolist() == [[3, 18], [20, 35]]
    starts = window_samplings(16)["windows"].starts(40, "real", np.random.default_rng(0))
    assert window_features(_frames(40), _net, starts, 16).tolist() == [[0, 15], [16, 31]]
    with pytest.raises(InputError, match="not in 40"):
        window_features(_frames(40), _net, [30], 16)
    with pytest.raises(InputError, match="too short"):
        window_features(_frames(40), _net, [0], 8)
