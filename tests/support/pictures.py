"""Pictures that tests draw."""

from __future__ import annotations

import numpy as np


def drawn_face(side: int) -> np.ndarray:
    """RGB picture (side, side, 3) of a round face with two eyes and a mouth in front of a wall."""
    y, x = np.mgrid[:side, :side] / side
    picture = np.full((side, side, 3), (120, 140, 170), np.uint8)
    picture[(x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.12] = (225, 180, 150)
    for cx in (0.38, 0.62):
        picture[(x - cx) ** 2 + (y - 0.42) ** 2 < 0.003] = (30, 20, 20)
    picture[(abs(x - 0.5) < 0.12) & (abs(y - 0.66) < 0.03)] = (170, 60, 60)
    grain = np.random.default_rng(0).normal(0, 2, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)
