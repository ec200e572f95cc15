"""Portraits in other styles (paper Figure 3): the source of a test clip as a painting, a sketch, a cartoon.

The paper shows pictures of its own choice. These are made from the test clips' sources by filters, so that everybody
gets the same ones, at any resolution, and only the style is foreign to the networks: the face stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mat = NDArray[Any]  # what OpenCV gives; 8 bits for 8 bits


def painting(picture: Picture) -> Picture:
    """Brush strokes: each pixel takes the mean colour of the commonest brightness about it (oil painting)."""
    return _filtered(picture, lambda x: cv2.xphoto.oilPainting(x, len(x) // 40, 8))


def sketch(picture: Picture) -> Picture:
    """Pencil on paper, grey: the picture divided by its blurred self, so that only edges leave a mark."""

    def run(x: Mat) -> Mat:
        calm = cv2.bilateralFilter(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), -1, 25, len(x) / 100)  # no pencil follows grain
        paper = cv2.divide(calm, cv2.GaussianBlur(calm, (0, 0), len(x) / 50), scale=255)
        return cv2.cvtColor(paper, cv2.COLOR_GRAY2BGR)

    return _filtered(picture, run)


def cartoon(picture: Picture) -> Picture:
    """Flat colours between dark lines (Gastal and Oliveira 2011)."""
    return _filtered(picture, lambda x: cv2.stylization(x, None, 20, 0.35))


STYLES: dict[str, Callable[[Picture], Picture]] = {"painting": painting, "sketch": sketch, "cartoon": cartoon}


def style_of(index: int) -> str:
    """The style of the test clip at `index` of the list: each in its turn."""
    return list(STYLES)[index % len(STYLES)]


def _filtered(picture: Picture, run: Callable[[Mat], Mat]) -> Picture:
    """Filters work at four times the side: their strokes are pixels wide. RGB in and out; `run` sees BGR."""
    side = 4 * len(picture) if len(picture) < 192 else len(picture)
    large: Mat = cv2.resize(picture[..., ::-1], (side, side), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(np.asarray(run(large)), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1], dtype=np.uint8)
