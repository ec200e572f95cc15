"""Portraits in other styles (paper Figure 3): the source of a test clip as a painting, a sketch or a cartoon.

The paper shows hand-picked images. Here filters restyle the sources of test clips: reproducible, at any resolution, and
different from the training images in style only, since the face keeps its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mat = NDArray[Any]  # as OpenCV types its arrays; uint8 here


def painting(image: Image) -> Image:
    """Render an oil painting: each pixel takes the mean colour of the most frequent brightness around it."""
    import cv2

    return _filtered(image, lambda x: cv2.xphoto.oilPainting(x, len(x) // 40, 8))


def sketch(image: Image) -> Image:
    """Render a grey pencil drawing: the image divided by a blurred copy of itself, which leaves the edges."""
    import cv2

    def run(x: Mat) -> Mat:
        gray = cv2.cvtColor(x, cv2.COLOR_BGR2GRAY)
        smooth = cv2.bilateralFilter(gray, -1, 25, len(x) / 100)  # removes grain, keeps edges
        paper = cv2.divide(smooth, cv2.GaussianBlur(smooth, (0, 0), len(x) / 50), scale=255)
        return cv2.cvtColor(paper, cv2.COLOR_GRAY2BGR)

    return _filtered(image, run)


def cartoon(image: Image) -> Image:
    """Render flat colours between dark lines (Gastal and Oliveira 2011)."""
    import cv2

    return _filtered(image, lambda x: cv2.stylization(x, None, 20, 0.35))


STYLES: dict[str, Callable[[Image], Image]] = {"painting": painting, "sketch": sketch, "cartoon": cartoon}


def style_of(index: int) -> str:
    """Return the style of test clip number `index`: the styles alternate."""
    return list(STYLES)[index % len(STYLES)]


def _filtered(image: Image, run: Callable[[Mat], Mat]) -> Image:
    """Filter `image` (S, S, 3) RGB by `run`, which takes BGR.

    Strokes have a width in pixels, so small images are filtered at four times their side.
    """
    import cv2

    side = 4 * len(image) if len(image) < 192 else len(image)
    large: Mat = cv2.resize(image[..., ::-1], (side, side), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(np.asarray(run(large)), image.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1], dtype=np.uint8)
