"""Deformation of the head: proportions of a face, applied to every point of an average head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Points = NDArray[np.float64]  # (n, 3) head units

_HEIGHTS = (-0.84, -0.22, 0.0, 0.33, 0.515, 0.78)  # crown, brows, eyes, base of the nose, mouth, chin of dawn.demo.head
_ZONES = (-0.5, -0.15, 0.15, 0.45, 0.7)  # forehead, temples, cheeks, jaw, chin


@dataclass(frozen=True)
class Shape:
    """Proportions of a face as differences from the average head, in head units unless stated.

    Brows and chin stay where they are, so that the height of the face is that of every person.
    """

    crown: float  # upwards
    eyes: float  # downwards, as are nose and mouth
    nose: float
    mouth: float
    widths: tuple[float, float, float, float, float]  # share of the width: forehead, temples, cheeks, jaw, chin
    eye_gap: float  # of one eye, outwards
    nose_width: float  # share
    mouth_width: float  # share
    nose_depth: float  # forwards, as are brows and chin
    brow_depth: float
    chin_depth: float
    bend: tuple[tuple[float, float, float, float], ...]  # asymmetry: centre x, y and displacement x, y of each bump


class Deformation:
    """Map of the average head's space to that of one face."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        target = np.add(_HEIGHTS, (-shape.crown, 0, shape.eyes, shape.nose, shape.mouth, 0))
        self._from = np.linspace(_HEIGHTS[0], _HEIGHTS[-1], 200)
        self._down = PchipInterpolator(_HEIGHTS, target)(self._from) - self._from
        self._wide = PchipInterpolator(_ZONES, shape.widths)(np.clip(self._from, _ZONES[0], _ZONES[-1]))

    def __call__(self, points: Points) -> Points:
        """Compute the deformed points (n, 3)."""
        shape = self._shape
        x, y, z = points.T

        def near(cx: float, cy: float, sx: float, sy: float) -> NDArray[np.float64]:
            return np.asarray(np.exp(-(((np.abs(x) - cx) / sx) ** 2) - ((y - cy) / sy) ** 2))

        front = np.clip(z / 0.4, 0, 1)
        factor = 1 + np.interp(y, self._from, self._wide)
        nose = near(0.0, 0.28, 0.17, 0.12) * front
        factor += shape.nose_width * nose + shape.mouth_width * near(0.0, 0.515, 0.3, 0.1) * front
        right = x * factor + np.sign(x) * shape.eye_gap * near(0.235, -0.05, 0.2, 0.2) * front
        down = y + np.interp(y, self._from, self._down)
        forward = z + shape.nose_depth * near(0.0, 0.24, 0.09, 0.13) * front
        forward += shape.brow_depth * near(0.18, -0.2, 0.22, 0.08) * front
        forward += shape.chin_depth * near(0.0, 0.7, 0.2, 0.12) * front
        for cx, cy, dx, dy in shape.bend:
            close = np.exp(-(((x - cx) / 0.28) ** 2) - ((y - cy) / 0.28) ** 2)
            right += dx * close
            down += dy * close
        return np.stack([right, down, forward], axis=1)


def draw_shape(rng: np.random.Generator, child: bool, feminine: bool) -> Shape:
    """Draw the proportions of a face; a child has a high forehead, low large eyes and a short, flat nose."""
    nose = rng.normal(-0.015 if child else 0.0, 0.03)
    jaw = rng.normal(-0.02 if feminine else 0.02, 0.065)
    cheeks = rng.normal(0.03 if child else 0.0, 0.05)
    return Shape(
        crown=rng.normal(0.03 if child else 0.0, 0.055),
        eyes=rng.normal(0.025 if child else 0.0, 0.022),
        nose=float(np.clip(nose, -0.06, 0.05)),
        mouth=float(np.clip(0.6 * nose + rng.normal(0.01 if child else 0.0, 0.022), -0.05, 0.045)),
        widths=(
            rng.normal(0.02 if child else 0.0, 0.055),
            cheeks + rng.normal(0, 0.03),
            cheeks,
            float(np.clip(jaw + 0.5 * cheeks, -0.13, 0.16)),
            float(np.clip(1.3 * jaw + rng.normal(0, 0.06), -0.2, 0.25)),
        ),
        eye_gap=float(np.clip(rng.normal(0, 0.018), -0.03, 0.03)),
        nose_width=rng.uniform(-0.25, 0.35),
        mouth_width=rng.uniform(-0.14, 0.14),
        nose_depth=rng.uniform(-0.09, -0.03) if child else rng.uniform(-0.07, 0.06),
        brow_depth=rng.uniform(-0.03, 0.0) if feminine or child else rng.uniform(-0.01, 0.04),
        chin_depth=rng.uniform(-0.05, 0.04),
        bend=tuple(
            (rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.7), rng.normal(0, 0.007), rng.normal(0, 0.007))
            for _ in range(5)
        ),
    )
