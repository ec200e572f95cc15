"""Crops of the mouth: they follow the head at a constant size and are averaged when reduced."""

from __future__ import annotations

import numpy as np
import pytest

from dawn.errors import InputError
from eval.extract.mouth_crop import mouth_crops


def _face(centre: tuple[float, float], eyes: float) -> np.ndarray:
    points = np.zeros((68, 2), np.float32)
    points[36], points[45] = (centre[0] - eyes / 2, centre[1] - eyes), (centre[0] + eyes / 2, centre[1] - eyes)
    points[48:] = centre
    return points


def test_mouth_crop_follows_the_head_and_keeps_its_size() -> None:
    yy, xx = np.mgrid[:80, :80]
    frames, points = [], []
    for t in range(30):
        middle = (30 + 0.5 * t, 50.0)
        blob = 255 * np.exp(-((xx + 0.5 - middle[0]) ** 2 + (yy + 0.5 - middle[1]) ** 2) / 20)
        frames.append(np.repeat(blob[..., None], 3, axis=-1).astype(np.uint8))
        points.append(_face(middle, 20))
    found = np.ones(30, np.bool_)
    found[12:15] = False
    landmarks = np.stack(points)
    landmarks[12:15] = 0  # what is not found must not matter
    crops = mouth_crops(np.stack(frames), landmarks, found, 24)
    assert crops.shape == (30, 24, 24, 3)
    weights = crops[7:-7, ..., 0].astype(np.float64)
    for axis in (1, 2):
        profile = weights.sum(axis=3 - axis)
        centre = (profile * (np.arange(24) + 0.5)).sum(axis=1) / profile.sum(axis=1)
        assert centre == pytest.approx(12, abs=0.3)


def test_large_mouths_are_averaged_not_sampled() -> None:
    frames = (np.indices((200, 200)).sum(0) % 2 * 255).astype(np.uint8)[None, ..., None].repeat(3, axis=-1)
    crops = mouth_crops(frames, _face((100, 100), 150)[None], np.ones(1, np.bool_), 20)
    assert crops.std() < 20  # a chequerboard becomes grey
    with pytest.raises(InputError, match="no face"):
        mouth_crops(frames, _face((100, 100), 150)[None], np.zeros(1, np.bool_), 20)
