"""Shading of the rendered head: light at surface points, scattered into a small image, smoothed, enlarged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.demo.head import Mesh, Points
from dawn.demo.lamps import Lamps
from dawn.demo.texture import SIDE

UNIT = 128  # pixel value of factor 1 in an image of light
_SIDE = 64  # pixels of the smoothed image of light
_FINE = 2  # points are scattered into cells this much smaller
_MARGIN = 2  # pixels of the smoothed image beyond each edge
_CELLS = (_SIDE + 2 * _MARGIN) * _FINE
_TOWARDS = (0.55, -0.5, 0.75)  # direction of the lamp; x is scaled by its position
_WARMTH = np.array([0.88, 1.0, 1.06])  # shadows on skin keep their red


class Light:
    """Light on one head."""

    def __init__(self, mesh: Mesh, side: float) -> None:
        """`side` is the position of the lamp, -1 left to 1 right."""
        self._normals = np.ascontiguousarray(mesh.normals)
        self._tint = mesh.tint
        towards = np.array(_TOWARDS) * (side, 1, 1)
        self._towards = towards / np.linalg.norm(towards)

    def factors(self, turn: NDArray[np.float64], placed: Points, size: int) -> NDArray[np.uint8]:
        """Compute the image (size, size, 3) of light factors, in units of 1 / `UNIT`, valid inside the head.

        `turn` is the head's rotation (3, 3); `placed` (n, 2) are the mesh points in the frame, 0..1.
        """
        facing = self._normals @ turn[2]
        bright = np.clip(self._normals @ (turn.T @ self._towards), 0, 1)
        visible, where = _cells_of(placed, facing)
        cells, weight, bright = _CELLS, facing[visible], bright[visible]
        dark = 1 - (0.69 + 0.38 * bright + 0.09 * bright**12)
        image = np.empty((cells, cells, 4), np.float32)
        for channel in range(3):
            colour = (1 - _WARMTH[channel] * dark) * self._tint[visible, channel] * weight
            image[..., channel] = np.bincount(where, colour, cells * cells).reshape(cells, cells)
        image[..., 3] = np.bincount(where, weight, cells * cells).reshape(cells, cells)
        image = np.asarray(cv2.resize(image, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA))
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.9))
        image += 0.03 * cv2.blur(image, (7, 7)) + np.array([0.7, 0.66, 0.65, 1.0], np.float32) * 1e-6
        ratio = image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN, :3] / image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN, 3:]
        small = np.clip(ratio * UNIT, 0, 255).astype(np.uint8)
        return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


class StudioLight:
    """Light of several lamps on one head, and the places of its texture."""

    def __init__(self, mesh: Mesh, lamps: Lamps, gloss: float) -> None:
        """`gloss` is the brightness of highlights."""
        self._normals = np.ascontiguousarray(mesh.normals)
        self._tint = mesh.tint
        self._texture = mesh.texture * SIDE
        self._lamps, self._gloss = lamps, gloss
        x, y = (np.arange(_SIDE + 2 * _MARGIN) - _MARGIN + 0.5) / _SIDE, np.full(_SIDE + 2 * _MARGIN, 0.15)
        slope = np.clip(1.5 * (x - 0.5), -0.8, 0.8)
        across = lamps.factors(np.stack([slope, y, np.sqrt(1 - slope**2 - y**2)], axis=1), 0.0)
        cheek = np.tile((0.3 * SIDE, 0.62 * SIDE, 1.0), (len(x), 1))  # place of the skin's texture, and weight
        self._body = np.float32(1e-4) * np.concatenate([across, cheek], axis=1)[None].astype(np.float32)

    def factors(
        self, turn: NDArray[np.float64], placed: Points, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Compute light (size, size, 3), in units of 1 / `UNIT`, and texture coordinates (size, size, 2), pixels.

        `turn` is the head's rotation (3, 3); `placed` (n, 2) are the mesh points in the frame, 0..1. Around the head
        the light is that on the shoulders.
        """
        facing = self._normals @ turn[2]
        visible, where = _cells_of(placed, facing)
        weight = facing[visible, None]
        light = self._lamps.factors(self._normals[visible] @ turn.T, self._gloss) * self._tint[visible]
        values = np.concatenate([light * weight, self._texture[visible] * weight, weight], axis=1).T
        planes = [np.bincount(where, row, _CELLS**2).astype(np.float32).reshape(_CELLS, _CELLS) for row in values]
        image = cv2.merge(planes)
        image = np.asarray(cv2.resize(image, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA))
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.9))
        image += 0.03 * cv2.blur(image, (7, 7)) + self._body
        inner = image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        ratio = inner[..., :5] / inner[..., 5:]
        small = np.clip(ratio[..., :3] * UNIT, 0, 255).astype(np.uint8)
        places = cv2.resize(np.ascontiguousarray(ratio[..., 3:]), (size, size), interpolation=cv2.INTER_LINEAR)
        lit = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
        return np.asarray(lit, np.uint8), np.asarray(places, np.float32)


def _cells_of(placed: Points, facing: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the visible points and the cell of each."""
    column, row = np.floor((placed * _SIDE + _MARGIN) * _FINE).astype(np.int64).T
    inside = (column >= 0) & (column < _CELLS) & (row >= 0) & (row < _CELLS)
    visible = np.flatnonzero((facing > 0.03) & inside)
    return visible, row[visible] * _CELLS + column[visible]
