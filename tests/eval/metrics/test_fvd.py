"""Windows of the named ways to FVD, and that the names lead to networks that exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dawn.errors import InputError
from eval.backbones.cards import CARDS
from eval.metrics.fvd import PROTOCOLS, features_at, window_features
from eval.stats.frechet import frechet


def _net(clips: torch.Tensor) -> torch.Tensor:
    """The first and the last frame's grey, in place of I3D's logits."""
    return torch.stack([clips[:, 0].float().mean((1, 2, 3)), clips[:, -1].float().mean((1, 2, 3))], dim=1)


def _frames(count: int) -> np.ndarray:
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))


def test_every_protocol_names_a_network() -> None:
    assert {protocol.card for protocol in PROTOCOLS.values()} <= set(CARDS)


def test_windows_of_each_protocol() -> None:
    rng = np.random.default_rng(0)
    assert PROTOCOLS["windows16"].starts(50, "fake", rng) == [0, 16, 32]
    assert PROTOCOLS["common-metrics16"].starts(50, "real", rng) == [0]
    some = PROTOCOLS["stylegan-v16"]
    assert {start for _ in range(500) for start in some.starts(20, "real", rng)} == set(range(5))
    assert some.starts(20, "fake", rng) == [0]
    for protocol in PROTOCOLS.values():
        assert protocol.starts(protocol.window - 1, "real", rng) == []
        assert protocol.starts(protocol.window, "real", rng) == [0]


def test_features_are_of_the_windows_that_were_asked_for() -> None:
    assert features_at(_frames(40), _net, [3, 20], 16).tolist() == [[3, 18], [20, 35]]
    assert window_features(_frames(40), _net, 16).tolist() == [[0, 15], [16, 31]]
    with pytest.raises(InputError, match="not in 40"):
        features_at(_frames(40), _net, [30], 16)
    with pytest.raises(InputError, match="too short"):
        features_at(_frames(40), _net, [0], 8)


def test_protocols_divide_as_they_say() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(5, 3))
    assert PROTOCOLS["stylegan-v16"].distance(a, b) == frechet(a, b, 0)
    assert PROTOCOLS["windows32"].distance(a, b) == frechet(a, b, 1)
