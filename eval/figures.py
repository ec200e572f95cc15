"""The sample picture: what was given, what truly happened, what was generated, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.video import load_frames
from eval.clips import video_path
from eval.columns import METHODS
from eval.judges import FPS

# Inches.
_SIDE = 0.86
_GAP = 0.16  # between clips, and beside the source
_LEFT = 1.6  # room for the names of the rows
_TOP = 0.32


def samples(
    names: Sequence[str], real: Path, videos: Mapping[str, Path], out: Path, *, clips: int = 4, moments: int = 8
) -> None:
    """Draw `clips` clips spread over the list: the source frame, then `moments` frames of the true and other videos.

    `videos` maps a method to its folder. The picture's format follows the suffix of `out`. Raises InputError when a
    video is missing.
    """
    if not names or not videos or clips < 1:
        raise InputError("the sample picture needs at least one clip and one folder of generated videos")
    folders = {"gt": real, **videos}
    labels = METHODS | {"gt": "True"}
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(clips, len(names))).round().astype(int)]
    sheet = _Sheet(_LEFT + _SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(chosen) * (len(folders) * _SIDE + _GAP))
    for i, name in enumerate(chosen):
        top = _TOP + i * (len(folders) * _SIDE + _GAP)
        rows = {method: load_frames(video_path(folder, name)) for method, folder in folders.items()}
        last = min(len(frames) for frames in rows.values()) - 1
        when = np.linspace(0, last, moments + 1).round().astype(int)[1:]
        sheet.picture(_LEFT, top, rows["gt"][0])
        sheet.text(_LEFT + _SIDE / 2, top - 0.07, "source", size=6)
        for k, (method, frames) in enumerate(rows.items()):
            sheet.text(_LEFT - 0.07, top + (k + 0.5) * _SIDE, labels.get(method, method), align="right")
            for j, t in enumerate(when):
                sheet.picture(_LEFT + _GAP + (j + 1) * _SIDE, top + k * _SIDE, frames[t])
        for j, t in enumerate(when):
            sheet.text(_LEFT + _GAP + (j + 1.5) * _SIDE, top - 0.07, f"{t / FPS:.2f} s", size=6)
    with atomic_path(out) as aside:
        sheet.figure.savefig(aside)


class _Sheet:
    """A figure addressed in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=200)

    def picture(self, x: float, y: float, image: NDArray[np.uint8], pad: float = 0.015) -> None:
        side = _SIDE - 2 * pad
        corner = ((x + pad) / self.width, 1 - (y + pad + side) / self.height)
        axes = self.figure.add_axes((*corner, side / self.width, side / self.height))
        axes.imshow(image, interpolation="bicubic")
        axes.set_axis_off()

    def text(self, x: float, y: float, text: str, align: str = "center", size: float = 7) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, text, ha=align, va="center", fontsize=size)
