"""A figure addressed in inches from its upper left corner, so that pictures line up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dawn.media.files import atomic_path

SIDE = 0.86  # of a picture, inches
COLOURS = {
    "gt": "#4d4d4d",
    "dawn": "#0072b2",
    "no_pbnet": "#d55e00",
    "sar": "#009e73",
    "ttr": "#cc79a7",
    "ar": "#e69f00",
}


class Sheet:
    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=200)

    def picture(self, x: float, y: float, image: NDArray[np.uint8], pad: float = 0.015) -> None:
        side = SIDE - 2 * pad
        corner = ((x + pad) / self.width, 1 - (y + pad + side) / self.height)
        axes = self.figure.add_axes((*corner, side / self.width, side / self.height))
        axes.imshow(image, interpolation="bicubic")
        axes.set_axis_off()

    def text(self, x: float, y: float, text: str, align: str = "center", size: float = 7) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, text, ha=align, va="center", fontsize=size)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes whose upper left corner is at (x, y)."""
        box = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def save(self, out: Path) -> None:
        with atomic_path(out) as aside:
            self.figure.savefig(aside)
