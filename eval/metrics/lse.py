"""Lip-sync error: distance (LSE_D) and confidence (LSE_C) of SyncNet embeddings (Chung and Zisserman 2016).

Video window t is compared with sound windows t - 15 ... t + 15; distances are averaged over the clip for each shift.
LSE_D is the smallest of the 31 means, LSE_C their median minus it. Sound outside the clip counts as the zero vector, as
in the original, which lowers LSE_C of short clips (about a twentieth at 125 windows, a fifth at 25).

What is cut out for the network decides the score: ``tracked`` is the original's face track, ``whole_frame`` Wav2Lip's
evaluation of videos that are faces already. The original compresses its crops as video and JPEG images in between;
here they stay as decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import python_speech_features
import torch
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from eval.backbones.syncnet import SyncNet
from eval.extract.face_tracks import SMALL, Rules, crop_track, enlarged, face_tracks, longest

VSHIFT = 15
VIDEO_WINDOW = 5  # frames
AUDIO_WINDOW = 20  # MFCC hops of 10 ms
HOPS = 4  # MFCC hops a frame at 25 fps
SAMPLES = 640  # sound samples a frame at 16 kHz and 25 fps
_PIXELS = 1 << 21  # of crops embedded at once, bounds memory
_EPSILON = 1e-6  # the original's pairwise distance adds it to each difference


@dataclass(frozen=True)
class Sync:
    """Distance, confidence, and the shift of the sound in frames at which it fits best."""

    lse_d: float
    lse_c: float
    offset: int


@dataclass(frozen=True)
class Crops:
    """What SyncNet sees of a clip: frames (n, side, side, 3) uint8 RGB from frame `first` on, of `of` in all."""

    frames: NDArray[np.uint8]
    first: int
    of: int
    mode: str

    @property
    def coverage(self) -> float:
        """Share of the clip's frames that are judged."""
        return len(self.frames) / self.of if self.of else 0.0

    def sound(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The clip's sound (T,) at 16 kHz -> that of these frames."""
        return audio[self.first * SAMPLES : (self.first + len(self.frames)) * SAMPLES]


def sync(video: ArrayLike, audio: ArrayLike, vshift: int = VSHIFT, padded: bool = True) -> Sync:
    """(T, D) embeddings of video and sound windows -> :class:`Sync`. Raises InputError on shapes.

    Without `padded`, windows whose shifted sound lies outside the clip are left out of that shift's mean: the variant
    that does not punish short clips. It is not what is published.
    """
    curve = distances(video, audio, vshift, padded)
    best = int(curve.argmin())
    return Sync(float(curve[best]), float(np.median(curve) - curve[best]), vshift - best)


def distances(video: ArrayLike, audio: ArrayLike, vshift: int = VSHIFT, padded: bool = True) -> NDArray[np.float64]:
    """(T, D) embeddings -> (2 vshift + 1,) mean distance at each shift of the sound, from -vshift to vshift."""
    v, a = np.asarray(video, np.float64), np.asarray(audio, np.float64)
    if v.ndim != 2 or v.shape != a.shape or len(v) < (1 if padded else vshift + 1):
        raise InputError(f"lip sync needs equal embeddings (T, D) of more windows, got {v.shape} and {a.shape}")
    around = np.pad(a, ((vshift, vshift), (0, 0)))
    curve = []
    for s in range(2 * vshift + 1):
        gaps = np.linalg.norm(v - around[s : s + len(v)] + _EPSILON, axis=1)
        inside = slice(None) if padded else slice(max(0, vshift - s), len(v) - max(0, s - vshift))
        curve.append(gaps[inside].mean())
    return np.asarray(curve)


def whole_frame(frames: NDArray[np.uint8], side: int = 224) -> Crops:
    """(N, H, W, 3) frames that are faces already: each squeezed to the square, bilinear and not antialiased."""
    crops = [np.asarray(cv2.resize(frame, (side, side)), np.uint8) for frame in frames]
    return Crops(np.stack(crops) if crops else np.empty((0, side, side, 3), np.uint8), 0, len(frames), "whole_frame")


def tracked(
    frames: NDArray[np.uint8],
    detect: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    rules: Rules = SMALL,
    side: int = 224,
) -> Crops:
    """(N, H, W, 3) frames and a detector of boxes (K, 4) in a frame -> the crop about the longest face track.

    No track makes empty crops with coverage 0, never another mode.
    """
    large = enlarged(frames, rules)
    track = longest(face_tracks([detect(frame) for frame in large], rules))
    mode = f"tracked, {rules.name}"
    if track is None:
        return Crops(np.empty((0, side, side, 3), np.uint8), 0, len(frames), mode)
    return Crops(crop_track(large, track, side), track.first, len(frames), mode)


@torch.inference_mode()
def embeddings(
    net: SyncNet, crops: NDArray[np.uint8], audio: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, side, side, 3) RGB crops at 25 fps and their sound (T,) at 16 kHz -> embeddings of lips and sound, (W, D)
    each, W as :func:`window_count` says; none where the clip is too short."""
    count = window_count(len(crops), len(audio))
    if not count:
        empty = np.empty((0, net.size), np.float32)
        return empty, empty
    used = crops[: count + VIDEO_WINDOW - 1]
    video = torch.from_numpy(np.ascontiguousarray(used[..., ::-1] if net.bgr else used)).permute(3, 0, 1, 2)[None]
    step = max(VIDEO_WINDOW, _PIXELS // (net.side * net.side))
    lips = [
        net.embed_lips(video[:, :, start : start + step + VIDEO_WINDOW - 1].float())[0]
        for start in range(0, count, step)
    ]
    sound = net.embed_sound(torch.from_numpy(audio_windows(mfcc(audio), count)))
    return torch.cat(lips).numpy(), sound.numpy()


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
