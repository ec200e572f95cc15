"""Backgrounds of varied clips: walls, gradients, noise, lights out of focus, stripes, shelves and windows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.demo.texture import fractal_noise, smooth_noise

_SIDE = 192  # pixels at which a background is drawn


def random_colour(rng: np.random.Generator, darkest: float, brightest: float, vivid: float) -> NDArray[np.float64]:
    """Draw a colour (3,), 0..255: grey of a lightness in the range, coloured by up to `vivid` (0..1)."""
    lightness = rng.uniform(darkest, brightest)
    hue = rng.uniform(0, 2 * np.pi) + np.array([0, 2.09, 4.19])
    return np.asarray(np.clip(lightness * (1 + vivid * rng.uniform() ** 1.5 * np.cos(hue)), 0, 255))


def draw_scenery(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Draw a background, RGB uint8 (size, size, 3)."""
    low, high = ((8, 70), (60, 170), (150, 250))[rng.choice(3, p=(0.3, 0.45, 0.25))]
    colours = [random_colour(rng, low, high, 0.45) for _ in range(6)]
    shape = (_SIDE, _SIDE)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    kind = rng.choice(("wall", "gradient", "noise", "lights", "stripes", "shelves", "window"))
    slope = rng.normal(size=2)
    share = np.clip(0.5 + (x - 0.5) * slope[0] + (y - 0.5) * slope[1], 0, 1)
    image = colours[0] + (colours[1] - colours[0]) * share[..., None] * rng.uniform(0, 1)
    if kind == "noise":
        noise = 0.5 + 0.3 * fractal_noise(rng, shape, rng.uniform(1.5, 8), 4, rng.uniform(0.3, 0.8))
        image += (colours[2] - image) * np.clip(noise, 0, 1)[..., None]
    elif kind == "lights":
        for _ in range(rng.integers(5, 30)):
            centre = tuple(int(value) for value in rng.integers(0, _SIDE, 2))
            light = image.copy()
            tint = random_colour(rng, low, 255, 0.6).tolist()
            cv2.circle(light, centre, int(rng.integers(4, 26)), tint, -1, cv2.LINE_8)
            image += rng.uniform(0.15, 0.8) * (light - image)
    elif kind == "stripes":
        angle, count = rng.uniform(0, np.pi), rng.uniform(3, 16)
        wave = np.tanh(rng.uniform(0.5, 6) * np.sin(2 * np.pi * count * (x * np.cos(angle) + y * np.sin(angle))))
        image += (colours[2] - image) * (0.5 + 0.5 * wave[..., None]) * rng.uniform(0.2, 0.9)
    elif kind == "shelves":
        image = _shelves(rng, image, low, high)
    elif kind == "window":
        for _ in range(rng.integers(1, 5)):
            left, top = rng.integers(-30, _SIDE - 20, 2)
            width, height = rng.integers(30, 130, 2)
            corner, end = (int(left), int(top)), (int(left + width), int(top + height))
            cv2.rectangle(image, corner, end, random_colour(rng, low, 255, 0.3).tolist(), -1)
            cv2.rectangle(image, corner, end, colours[3].tolist(), int(rng.integers(1, 7)))
    image = image * (1 + rng.uniform(0, 0.05) * smooth_noise(rng, shape, (40, 40))[..., None])
    blur = rng.uniform(0.3, 1.5) if rng.random() < 0.4 else rng.uniform(1.5, 9)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur))
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _shelves(rng: np.random.Generator, image: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Paint rows of upright rectangles, as books."""
    top = int(rng.integers(-20, 10))
    while top < _SIDE:
        height = int(rng.integers(26, 56))
        left = int(rng.integers(-8, 0))
        while left < _SIDE:
            width = int(rng.integers(4, 16))
            if rng.random() < 0.9:
                start = top + int(rng.integers(0, height // 3))
                colour = random_colour(rng, low, high, 0.7).tolist()
                cv2.rectangle(image, (left, start), (left + width - 1, top + height), colour, -1)
            left += width
        cv2.rectangle(image, (0, top + height), (_SIDE, top + height + 3), (0.6 * image.mean((0, 1))).tolist(), -1)
        top += height + 4
    return image
