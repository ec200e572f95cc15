"""Mel-frequency cepstral coefficients of speech, as SyncNet (Chung and Zisserman 2016) takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COEFFICIENTS = 13
HOPS_PER_FRAME = 4  # of 10 ms, in a video frame at 25 fps
_RATE = 16000  # Hz
_FRAME = 640  # samples per video frame at 25 fps


def mfcc(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute MFCC (hops, 13) of audio (T,) in [-1, 1] at 16 kHz: 100 hops per second, on the 16-bit scale."""
    import python_speech_features  # which generation does without

    samples = np.clip(np.round(audio * 32768.0), -32768, 32767).astype(np.int16)
    coefficients: NDArray[np.float32] = python_speech_features.mfcc(samples, _RATE).astype(np.float32)
    return coefficients


def frame_mfcc(audio: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Compute MFCC (frames, 4, 13) of audio (T,) in [-1, 1] at 16 kHz: the four hops that begin in each video frame.

    Shorter sound is padded with silence; the last hop, which would reach beyond the last frame, repeats the one before.
    """
    audio = np.pad(audio[: frames * _FRAME], (0, max(0, frames * _FRAME - len(audio))))
    hops = mfcc(audio)
    hops = np.pad(hops, ((0, frames * HOPS_PER_FRAME - len(hops)), (0, 0)), mode="edge")
    return hops.reshape(frames, HOPS_PER_FRAME, COEFFICIENTS)
