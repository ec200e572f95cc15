"""Lip-sync error: distance (LSE_D) and confidence (LSE_C) of SyncNet embeddings (Chung and Zisserman 2016).

Video window t is compared with sound windows t - 15 ... t + 15; distances are averaged over the clip for each shift.
LSE_D is the smallest of the 31 means, LSE_C their median minus it. Sound outside the clip counts as the zero vector, as
in the original, which lowers LSE_C of short clips (about a twentieth at 125 windows, a fifth at 25).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import python_speech_features
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError

VSHIFT = 15
VIDEO_WINDOW = 5  # frames
AUDIO_WINDOW = 20  # MFCC hops of 10 ms
HOPS = 4  # MFCC hops a frame at 25 fps
SAMPLES = 640  # sound samples a frame at 16 kHz and 25 fps
_EPSILON = 1e-6  # the original's pairwise distance adds it to each difference


@dataclass(frozen=True)
class Sync:
    """Distance, confidence, and the shift of the sound in frames at which it fits best."""

    lse_d: float
    lse_c: float
    offset: int


def sync(video: ArrayLike, audio: ArrayLike, vshift: int = VSHIFT) -> Sync:
    """(T, D) embeddings of video and sound windows -> :class:`Sync`. Raises InputError on shapes."""
    curve = distances(video, audio, vshift)
    best = int(curve.argmin())
    return Sync(float(curve[best]), float(np.median(curve) - curve[best]), vshift - best)


def distances(video: ArrayLike, audio: ArrayLike, vshift: int = VSHIFT) -> NDArray[np.float64]:
    """(T, D) embeddings -> (2 vshift + 1,) mean distance at each shift of the sound, from -vshift to vshift."""
    v, a = np.asarray(video, np.float64), np.asarray(audio, np.float64)
    if v.ndim != 2 or v.shape != a.shape or not len(v):
        raise InputError(f"lip sync needs equal (T >= 1, D) embeddings, got {v.shape} and {a.shape}")
    padded = np.pad(a, ((vshift, vshift), (0, 0)))
    curve = [np.linalg.norm(v - padded[s : s + len(v)] + _EPSILON, axis=1).mean() for s in range(2 * vshift + 1)]
    return np.asarray(curve)


def mfcc(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) sound in [-1, 1] at 16 kHz -> (hops, 13) coefficients, 100 hops a second, on the 16-bit scale."""
    samples = np.clip(np.round(audio * 32768.0), -32768, 32767).astype(np.int16)
    coefficients: NDArray[np.float32] = python_speech_features.mfcc(samples, 16000).astype(np.float32)
    return coefficients


def window_count(frames: int, samples: int) -> int:
    """Windows of a clip of `frames` frames and `samples` sound samples; the original leaves the last one out."""
    return max(0, min(frames, samples // SAMPLES) - VIDEO_WINDOW)


def audio_windows(coefficients: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(hops, 13) -> (count, 13, 20): the window of frame t starts at hop 4 t; the end is repeated if too short."""
    need = HOPS * (count - 1) + AUDIO_WINDOW
    if len(coefficients) < need:
        coefficients = np.pad(coefficients, ((0, need - len(coefficients)), (0, 0)), mode="edge")
    starts = HOPS * np.arange(count)[:, None] + np.arange(AUDIO_WINDOW)
    return np.ascontiguousarray(coefficients[starts].transpose(0, 2, 1))
