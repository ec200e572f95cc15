"""Synthetic pictures and sounds, and their shift in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def moving_colours(count: int, height: int = 64, width: int = 96) -> Iterator[NDArray[np.uint8]]:
    """Frames (height, width, 3) of smooth moving colours, whose mean brightness rises with time."""
    y, x = np.mgrid[:height, :width]
    for k in range(count):
        red = 90 + 60 * np.sin(x / 20 + k / 5)
        yield np.stack([red, 90 + 60 * np.cos(y / 16), np.full_like(red, 40 + k)], -1).astype(np.uint8)


def colour_pattern(count: int, side: int = 64) -> NDArray[np.uint8]:
    """Frames (count, side, side, 3) of waves that move, with which recorded outputs of networks were computed."""
    t, y, x = np.meshgrid(np.arange(count), np.arange(side), np.arange(side), indexing="ij")
    planes = [127 + 100 * np.sin(x / 7 + t / 3), 127 + 100 * np.cos(y / 9 - t / 5), (x + y + 3 * t) % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


def chirp(seconds: float, rate: int = 16000) -> NDArray[np.float32]:
    """A tone of rising pitch and changing loudness, (T,), which shows every shift in time."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (150 + 400 * t) * t) * (1 + np.sin(9 * t)) / 2).astype(np.float32)


def lag(a: NDArray[np.float32], b: NDArray[np.float32]) -> int:
    """Samples by which `a` is later than `b`."""
    n = 2 * max(len(a), len(b))
    correlation = np.fft.irfft(np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n)), n)
    best = int(np.argmax(correlation))
    return best - n if best > n // 2 else best
