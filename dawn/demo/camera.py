"""Lens, sensor and development of a clip's frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_FAR, _NEAR = 14.0, 3.6  # distance of the camera from the head's axis, head units


@dataclass(frozen=True)
class Camera:
    """Camera of one clip; every frame is developed equally."""

    distance: float  # from the head's axis, head units: a short distance is a wide angle
    blur: float  # standard deviation, in 1 / 128 of the frame's side
    sharpening: float  # share of the detail that is added
    noise: float  # standard deviation of a pixel value, 0..255
    grain: float  # blur of the noise, pixels
    vignette: float  # share by which the corners are darker
    colours: tuple[tuple[float, float, float], ...]  # matrix (3, 3) on RGB
    curve: tuple[float, float, float, float]  # gain, gamma, contrast, lift of black (0..255)
    quality: int  # of JPEG compression, 0 none
    seed: int  # of the noise


class Development:
    """Development of frames of one size by a camera."""

    def __init__(self, camera: Camera, side: int) -> None:
        self._camera = camera
        self._blur = camera.blur * side / 128
        self._colours = np.array(camera.colours, np.float32)
        y, x = (np.mgrid[0:side, 0:side] + 0.5) / side - 0.5
        shade = 1 - camera.vignette * 2 * (x * x + y * y)
        self._shade = np.asarray(np.repeat(np.rint(255 * shade)[..., None], 3, axis=2), np.uint8)
        gain, gamma, contrast, lift = camera.curve
        value = np.clip(np.arange(256) / 255 * gain, 0, None) ** gamma
        value = 0.5 + (value - 0.5) * contrast
        self._curve = np.clip(np.rint(lift + (255 - lift) * value), 0, 255).astype(np.uint8)
        if camera.noise:
            rng = np.random.default_rng(camera.seed)
            shape = (side * 2, side * 2, 3)
            grain = rng.standard_normal(shape).astype(np.float32)
            grain = 0.4 * grain + 0.9 * grain[..., :1]  # brightness varies more than colour
            if camera.grain:
                grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), camera.grain))
            self._noise = np.asarray(np.rint(camera.noise * grain / grain.std()), np.int16)

    def frame(self, image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """Develop frame `number` of the clip, RGB uint8 (side, side, 3)."""
        camera, side = self._camera, len(image)
        if self._blur > 0.25:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._blur), np.uint8)
        if camera.sharpening:
            soft = cv2.GaussianBlur(image, (0, 0), 1.0)
            image = np.asarray(cv2.addWeighted(image, 1 + camera.sharpening, soft, -camera.sharpening, 0), np.uint8)
        image = np.asarray(cv2.LUT(cv2.transform(image, self._colours), self._curve), np.uint8)
        image = np.asarray(cv2.multiply(image, self._shade, scale=1 / 255), np.uint8)
        if camera.noise:
            rng = np.random.default_rng((camera.seed, number))
            top, left = rng.integers(0, side, 2)
            image = np.clip(image + self._noise[top : top + side, left : left + side], 0, 255).astype(np.uint8)
        if camera.quality:
            _, coded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, camera.quality))
            image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        return image


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera: most give natural colours, some black and white, sepia, faded or strong ones, or a cast."""
    style = rng.choice(("natural", "faded", "strong", "grey", "sepia", "cast"), p=(0.56, 0.12, 0.08, 0.1, 0.04, 0.1))
    saturation = {"natural": rng.uniform(0.8, 1.15), "faded": rng.uniform(0.35, 0.75), "strong": rng.uniform(1.15, 1.6),
                  "grey": 0.0, "sepia": 0.1, "cast": rng.uniform(0.5, 1.1)}[str(style)]  # fmt: skip
    spread = 0.15 if style == "cast" else 0.0 if style == "grey" else 0.04
    gains = rng.uniform(1 - spread, 1 + spread, 3)
    if style == "sepia":
        gains = np.array([1.1, 0.95, 0.72])
    grey = np.full((3, 1), 1.0) @ np.array([[0.3, 0.59, 0.11]])
    matrix = (grey + saturation * (np.eye(3) - grey)) * gains[:, None]
    noisy = rng.random() < 0.6
    return Camera(
        distance=1 / rng.uniform(1 / _FAR, 1 / _NEAR),
        blur=rng.uniform(0, 0.6) if rng.random() < 0.65 else rng.uniform(0.6, 1.1),
        sharpening=rng.uniform(0.2, 1.0) if rng.random() < 0.3 else 0.0,
        noise=rng.uniform(0.5, 3) if noisy and rng.random() < 0.7 else rng.uniform(3, 6.5) if noisy else 0.0,
        grain=rng.choice((0.0, 0.5, 0.8)),
        vignette=rng.uniform(0, 0.5) if rng.random() < 0.4 else 0.0,
        colours=tuple((float(a), float(b), float(c)) for a, b, c in matrix),
        curve=(rng.uniform(0.85, 1.2), rng.uniform(0.75, 1.25), rng.uniform(0.8, 1.2), rng.choice((0, 0, 0, 12, 25))),
        quality=int(rng.integers(60, 95)) if rng.random() < 0.25 else 0,
        seed=int(rng.integers(2**31)),
    )
