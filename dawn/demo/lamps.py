"""Lamps of one clip: ambient light, a key light from any direction, a fill light and light from behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]
_USUAL = np.array([[0, 0, 1], [-0.6, 0, 0.8], [0.6, 0, 0.8], [0, -0.5, 0.87], [0, 0.5, 0.87]])  # normals of a face


@dataclass(frozen=True)
class Lamps:
    """Directions are unit vectors to the lamp (right, down, to the camera), colours RGB factors."""

    sky: Vector  # ambient light from above
    ground: Vector  # and from below
    key_from: Vector
    key: Vector
    hardness: float  # 0 the key light fades over the whole head, 1 it ends at a sharp edge
    fill_from: Vector
    fill: Vector
    rim_from: Vector
    rim: Vector

    def factors(self, normals: NDArray[np.float64], gloss: float) -> NDArray[np.float64]:
        """Compute the light (n, 3) on surfaces with unit normals (n, 3); `gloss` is the brightness of highlights."""
        key_from = np.array(self.key_from)
        half = np.add(key_from, (0, 0, 1))
        directions = np.stack([key_from, self.fill_from, self.rim_from, half / np.linalg.norm(half)], axis=1)
        towards = normals @ directions
        wrap = 0.45 * (1 - self.hardness)
        key = np.clip((towards[:, 0] + wrap) / (1 + wrap), 0, 1)
        key += self.hardness * 0.35 * (key * key * (3 - 2 * key) - key)
        up = 0.5 - 0.5 * normals[:, 1]
        grazing = np.clip(1 - normals[:, 2], 0, 1) ** 2
        shares = np.stack(
            [
                up,
                1 - up,
                key,
                np.clip(towards[:, 1], 0, 1),
                np.clip(towards[:, 2] + 0.3, 0, 1) * grazing,
                gloss * np.clip(towards[:, 3], 0, 1) ** (10 + 20 * self.hardness),
            ],
            axis=1,
        )
        return np.asarray(shares @ np.array([self.sky, self.ground, self.key, self.fill, self.rim, self.key]))


def draw_lamps(rng: np.random.Generator) -> Lamps:
    """Draw lamps whose light on a face has a mean of 0.75 to 1.1."""
    soft = rng.random() < 0.35
    ambient = rng.uniform(0.55, 0.9) if soft else rng.uniform(0.2, 0.6)
    azimuth = np.radians(rng.choice((-1, 1)) * rng.uniform(0, 85))
    elevation = np.radians(rng.uniform(-30, 0) if rng.random() < 0.08 else rng.uniform(0, 60))
    warmth = rng.normal(0, 0.05)
    lamps = Lamps(
        sky=_colour(rng, ambient * rng.uniform(0.95, 1.1), -warmth),
        ground=_colour(rng, ambient * rng.uniform(0.6, 1.0), rng.normal(0.02, 0.04)),
        key_from=_towards(azimuth, elevation),
        key=_colour(rng, (1 - ambient) * rng.uniform(1.0, 1.6), warmth),
        hardness=rng.uniform(0, 0.4) if soft else rng.uniform(0.3, 1),
        fill_from=_towards(-azimuth + rng.normal(0, 0.4), rng.uniform(-0.3, 0.6)),
        fill=_colour(rng, rng.uniform(0, 0.35), rng.normal(0, 0.12)),
        rim_from=_towards(rng.choice((-1, 1)) * rng.uniform(1.7, 2.6), rng.uniform(0, 0.8)),
        rim=_colour(rng, rng.uniform(0.4, 2.2) if rng.random() < 0.35 else 0.0, rng.normal(0, 0.15)),
    )
    scale = rng.uniform(0.75, 1.1) / float(lamps.factors(_USUAL, 0.0).mean())

    def scaled(colour: Vector) -> Vector:
        red, green, blue = (scale * value for value in colour)
        return red, green, blue

    return Lamps(
        scaled(lamps.sky), scaled(lamps.ground), lamps.key_from, scaled(lamps.key), lamps.hardness,
        lamps.fill_from, scaled(lamps.fill), lamps.rim_from, scaled(lamps.rim),
    )  # fmt: skip


def _towards(azimuth: float, elevation: float) -> Vector:
    """Compute the direction at angles in radians, to the right of and above the camera."""
    return (
        float(np.sin(azimuth) * np.cos(elevation)),
        float(-np.sin(elevation)),
        float(np.cos(azimuth) * np.cos(elevation)),
    )


def _colour(rng: np.random.Generator, brightness: float, warmth: float) -> Vector:
    """Draw the colour of a lamp: `warmth` is positive for red, negative for blue."""
    green = rng.normal(0, 0.01)
    return brightness * (1 + warmth), brightness * (1 + green), brightness * (1 - warmth)
