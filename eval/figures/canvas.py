"""Figure canvas whose parts are placed in inches from its upper left corner, so that frames align.

Matplotlib is imported when a canvas is created.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dawn.media.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 0.86  # inches, of one video frame
COLOURS = {
    "gt": "#4d4d4d",
    "dawn": "#0072b2",
    "no_pbnet": "#d55e00",
    "sar": "#009e73",
    "ttr": "#cc79a7",
    "ar": "#e69f00",
}


class Canvas:
    """Matplotlib figure of `width` x `height` inches."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=200)

    def image(self, x: float, y: float, image: NDArray[np.uint8], pad: float = 0.015) -> None:
        """Draw an RGB image (H, W, 3) in a square of :data:`SIDE` inches with its upper left corner at (x, y)."""
        side = SIDE - 2 * pad
        corner = ((x + pad) / self.width, 1 - (y + pad + side) / self.height)
        axes = self.figure.add_axes((*corner, side / self.width, side / self.height))
        axes.imshow(image, interpolation="bicubic")
        axes.set_axis_off()

    def text(self, x: float, y: float, text: str, align: str = "center", size: float = 7) -> None:
        """Write text, vertically centred at y; `align` is its horizontal alignment at x, `size` in points."""
        self.figure.text(x / self.width, 1 - y / self.height, text, ha=align, va="center", fontsize=size)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes of `width` x `height` inches with their upper left corner at (x, y)."""
        box = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def save(self, out: Path) -> None:
        """Write the figure atomically, in the format of the suffix of `out`."""
        with atomic_path(out) as aside:
            self.figure.savefig(aside)
