"""Embeddings of windows of frames at given starts, and clips without windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dawn.errors import InputError
from eval.backbones import i3d
from eval.extract.sampling import window_samplings
from eval.extract.windows import window_features


@pytest.fixture(scope="module")
def video_net() -> i3d.I3D:
    return i3d.load()


def _net(clips: torch.Tensor) -> torch.Tensor:
    """The first and the last frame's grey, in place of I3D's logits."""
    return torch.stack([clips[:, 0].float().mean((1, 2, 3)), clips[:, -1].float().mean((1, 2, 3))], dim=1)


def _frames(count: int) -> np.ndarray:
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))


def test_features_are_those_of_the_windows_at_the_given_starts() -> None:
    assert window_features(_frames(40), _net, [3, 20], 16).tolist() == [[3, 18], [20, 35]]
    starts = window_samplings(16)["windows"].starts(40, "real", np.random.default_rng(0))
    assert window_features(_frames(40), _net, starts, 16).tolist() == [[0, 15], [16, 31]]
    with pytest.raises(InputError, match="not in 40"):
        window_features(_frames(40), _net, [30], 16)
    with pytest.raises(InputError, match="too short"):
        window_features(_frames(40), _net, [0], 8)


def test_short_clips_have_no_windows(video_net: i3d.I3D) -> None:
    assert window_features(np.zeros((15, 8, 8, 3), np.uint8), video_net, (), 16).shape == (0, 400)
    with pytest.raises(InputError):
        window_features(np.zeros((15, 8, 8, 3), np.uint8), video_net, (0,), 4)
