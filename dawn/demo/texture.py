"""Procedural textures: noise at chosen scales, and skin, hair and cloth made of it. Nothing is scanned."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

UNIT = 128  # pixel value of factor 1 in an image of factors
SIDE = 256  # pixels of a texture

Field = NDArray[np.float32]  # (height, width)
Factors = NDArray[np.uint8]  # (height, width, 3) or (height, width), in 1 / UNIT


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[float, float]) -> Field:
    """Draw noise of about unit variance, `size` (height, width) pixels, with `cells` (down, across) blobs in it."""
    rows, columns = (max(2, round(count) + 1) for count in cells)
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def fractal_noise(rng: np.random.Generator, size: tuple[int, int], cells: float, octaves: int, decay: float) -> Field:
    """Sum noise of `octaves` scales, each twice as fine and `decay` as strong as the one before."""
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        total += decay**octave * smooth_noise(rng, size, (cells * 2**octave, cells * 2**octave))
    return total


def to_factors(values: NDArray[np.floating]) -> Factors:
    """Quantise factors 0..2."""
    return np.asarray(np.clip(np.rint(values * UNIT), 0, 255), np.uint8)


def skin_texture(
    rng: np.random.Generator,
    blotches: float,
    pores: float,
    relief: float,
    stubble: float,
    wrinkles: float,
    freckles: int,
) -> Factors:
    """Draw the skin of a head, factors (SIDE, SIDE, 3), from ear to ear and crown to chin.

    `blotches` and `pores` are standard deviations of the factors; `relief` 0..1 darkens the sides of the nose, the fold
    from nose to mouth, the sockets of the eyes and the skin below the lip; `stubble` 0..1 darkens jaw and upper lip,
    `wrinkles` 0..1 lines the forehead, the corners of the eyes and the cheeks. A tenth of the freckles are moles.
    """
    size = (SIDE, SIDE)
    redness = fractal_noise(rng, size, 4, 3, 0.6)[..., None] * _shade(0.25, 1.0, 0.9)
    shade = fractal_noise(rng, size, 5, 3, 0.5)[..., None]
    grain = np.asarray(cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), rng.uniform(0.7, 1.5)))
    grain = grain / grain.std()
    texture = 1 + blotches * (redness + 0.5 * shade) + pores * grain[..., None]
    texture *= 1 - relief * _creases()[..., None] * _shade(0.75, 0.95, 1.0)
    if stubble:
        y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
        jaw = np.clip((y - 0.74 - 0.9 * np.clip(np.abs(x - 0.5) - 0.2, -0.1, 0) * (y < 0.8)) / 0.07, 0, 1)
        jaw = np.maximum(jaw, np.clip((y - 0.52) / 0.1, 0, 1) * np.clip((np.abs(x - 0.5) - 0.24) / 0.06, 0, 1))
        hairs = np.clip(0.6 + 0.5 * rng.standard_normal(size, np.float32), 0, 1.5)
        dark = stubble * jaw.astype(np.float32) * cv2.GaussianBlur(hairs, (0, 0), 0.7)
        texture = texture * (1 - dark[..., None] * _shade(0.42, 0.4, 0.36))
    if wrinkles:
        y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
        lines = smooth_noise(rng, size, (60, 5)) + 0.7 * smooth_noise(rng, size, (100, 8))
        place = np.exp(-(((y - 0.27) / 0.06) ** 2) - ((x - 0.5) / 0.14) ** 2)
        place += np.exp(-(((y - 0.56) / 0.05) ** 2) - ((np.abs(x - 0.5) - 0.11) / 0.05) ** 2)
        place += 0.6 * np.exp(-(((y - 0.54) / 0.06) ** 2) - ((np.abs(x - 0.5) - 0.23) / 0.04) ** 2)
        texture -= (0.11 * wrinkles * np.clip(lines, -0.5, 2) * place.astype(np.float32))[..., None] * _shade(
            0.85, 1.0, 1.0
        )
    spots = np.zeros(size, np.float32)
    for number in range(freckles):
        centre = (int(256 * rng.normal(0.5 * SIDE, 0.11 * SIDE)), int(256 * rng.normal(0.62 * SIDE, 0.08 * SIDE)))
        radius = rng.uniform(1.6, 3.2) if number % 10 == 9 else rng.uniform(0.5, 1.2)
        cv2.circle(spots, centre, int(256 * radius), rng.uniform(0.15, 0.55), -1, cv2.LINE_8, 8)
    spots = np.asarray(cv2.GaussianBlur(spots, (0, 0), 0.7))
    texture = texture * (1 - spots[..., None] * _shade(0.6, 0.9, 1.0))
    return to_factors(texture)


def _shade(red: float, green: float, blue: float) -> NDArray[np.float32]:
    return np.array((red, green, blue), np.float32)


@cache
def _creases() -> Field:
    """Compute the darkness (SIDE, SIDE), 0..1, of the shadows that a face has in any light."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    side = np.abs(x - 0.5)

    def spot(cx: float, cy: float, sx: float, sy: float, slope: float = 0.0) -> NDArray[np.float64]:
        across = side - cx - slope * (y - cy)
        return np.asarray(np.exp(-((across / sx) ** 2) - ((y - cy) / sy) ** 2))

    dark = 0.30 * spot(0.055, 0.585, 0.018, 0.09, 0.25)  # sides of the nose
    dark += 0.28 * spot(0.062, 0.685, 0.018, 0.03, 0.5)  # wings of the nose
    dark += 0.22 * spot(0.1, 0.77, 0.016, 0.06, 0.55)  # fold from nose to mouth
    dark += 0.26 * spot(0.055, 0.50, 0.03, 0.035)  # inner corner of the eye
    dark += 0.18 * spot(0.125, 0.47, 0.07, 0.025)  # below the brow
    dark += 0.16 * spot(0.115, 0.575, 0.05, 0.015)  # below the eye
    dark += 0.3 * spot(0.0, 0.905, 0.05, 0.016)  # below the lower lip
    dark += 0.2 * spot(0.0, 0.752, 0.02, 0.03)  # groove of the upper lip
    dark += 0.25 * spot(0.115, 0.835, 0.014, 0.016)  # corners of the mouth
    return dark.astype(np.float32)


def strand_texture(rng: np.random.Generator, contrast: float, curl: float) -> Factors:
    """Draw hair, factors (SIDE, SIDE): strands that run down, bent by `curl` (0 straight to 1 curly)."""
    size = (SIDE, SIDE)
    fine = rng.uniform(40, 110)
    strands = smooth_noise(rng, size, (3, fine)) + 0.8 * smooth_noise(rng, size, (5, fine / 3))
    strands += 0.6 * smooth_noise(rng, size, (4, 7))
    if curl:
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
        waves = 12 * curl * smooth_noise(rng, size, (6 + 14 * curl, 5 + 14 * curl))
        strands = cv2.remap(strands, x + waves, y + waves[::-1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    sheen = np.exp(-((np.linspace(0, 1, SIDE) - rng.uniform(0.15, 0.4)) ** 2) / 0.01)[:, None]
    values = 1 + contrast * strands + rng.uniform(0, 0.5) * (1 - curl) * sheen * (1 + 0.3 * strands)
    return to_factors(values)


def cloth_texture(rng: np.random.Generator) -> Factors:
    """Draw cloth, factors (SIDE, SIDE, 3): folds, and a plain, woven, striped, checked or printed pattern."""
    size = (SIDE, SIDE)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    values = 1 + rng.uniform(0.03, 0.16) * smooth_noise(rng, size, (4, 7))[..., None] * np.ones(3)
    pattern = rng.choice(("plain", "woven", "stripes", "checks", "print"))
    colour = rng.uniform(-0.5, 0.6, 3) * rng.uniform(0.3, 1)
    count, slant = rng.uniform(8, 40), rng.uniform(-0.4, 0.4)
    bars = np.tanh(rng.uniform(1, 6) * np.sin(2 * np.pi * count * (x + slant * y)))
    if pattern == "woven":
        values += rng.uniform(0.04, 0.12) * rng.standard_normal(size)[..., None]
    elif pattern == "stripes":
        values += 0.6 * bars[..., None] * colour
    elif pattern == "checks":
        across = np.tanh(3 * np.sin(2 * np.pi * count * (y - slant * x)))
        values += 0.35 * (bars + across)[..., None] * colour
    elif pattern == "print":
        spots = smooth_noise(rng, size, (count, count)) > rng.uniform(0.2, 1.2)
        values += cv2.GaussianBlur(spots.astype(np.float64), (0, 0), 1.0)[..., None] * colour * 1.4
    return to_factors(values)
