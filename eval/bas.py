"""Beat alignment score of head motion and speech, in the form of Bailando (Siyao et al. 2022).

Mean over the sound's beats of ``exp(-d^2 / (2 sigma^2))``, d the frames to the nearest beat of the motion; motion beats
are local minima of the smoothed speed. The paper does not say what moves or how it is smoothed: here the head's
rotation in degrees, with Bailando's constants, which at 25 fps put independent sound and motion near 0.25. The score is
therefore reported beside its null, the same motion against the beats of other clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelmin

from dawn.errors import InputError

NAME = "head-rotation-sigma3-smooth5"
SIGMA = 3.0  # frames
SMOOTHING = 5.0  # frames


def bas(motion_beats: ArrayLike, audio_beats: ArrayLike, sigma: float = SIGMA) -> float:
    """Beats in frames -> score in [0, 1]; 0 when nothing in the motion is a beat, NaN when nothing in the sound is."""
    motion, audio = np.asarray(motion_beats, np.float64), np.asarray(audio_beats, np.float64)
    if not len(audio):
        return float("nan")
    if not len(motion):
        return 0.0
    nearest = np.abs(audio[:, None] - motion[None, :]).min(axis=1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())


def fact_alignment(motion_beats: ArrayLike, audio_beats: ArrayLike, sigma: float = SIGMA) -> float:
    """Beats in frames -> score in [0, 1], averaged over the motion's beats instead, as FACT does (Li et al. 2021).

    It rewards few beats at the right place, where :func:`bas` rewards many. Without beats, as :func:`bas`.
    """
    if not np.size(audio_beats):
        return float("nan")
    return bas(audio_beats, motion_beats, sigma) if np.size(motion_beats) else 0.0


def motion_beats(pose: ArrayLike, smoothing: float = SMOOTHING) -> NDArray[np.int64]:
    """(N, >= 3) pose, its first three columns angles in degrees -> frames where the head is slowest.

    Frames without a pose (NaN) are filled linearly; a head that is nowhere found, or never moves, has no beats.
    """
    angles = np.asarray(pose, np.float64)
    if angles.ndim != 2 or angles.shape[1] < 3:
        raise InputError(f"motion beats need (N, >= 3) poses, got {angles.shape}")
    angles = angles[:, :3]
    known = np.isfinite(angles).all(axis=1)
    if known.sum() < 3:
        return np.empty(0, np.int64)
    frames = np.arange(len(angles))
    angles = np.stack([np.interp(frames, frames[known], column[known]) for column in angles.T], axis=1)
    speed = np.linalg.norm(np.diff(angles, axis=0), axis=1)
    if smoothing > 0:
        speed = gaussian_filter1d(speed, smoothing)
    beats: NDArray[np.int64] = argrelmin(speed)[0]
    return beats


def audio_beats(audio: NDArray[np.float32], sample_rate: int = 16000, fps: float = 25.0) -> NDArray[np.float64]:
    """(T,) sound -> beats in frames, by librosa's beat tracker on the onsets of the percussive part."""
    if not len(audio) or not np.any(audio):
        return np.empty(0)
    onsets = librosa.onset.onset_strength(y=librosa.effects.percussive(audio), sr=sample_rate)
    _, times = librosa.beat.beat_track(onset_envelope=onsets, sr=sample_rate, units="time")
    return np.asarray(times, np.float64) * fps


def null(motion: Sequence[ArrayLike], audio: Sequence[ArrayLike], sigma: float = SIGMA) -> NDArray[np.float64]:
    """(clips,): the mean score of each clip's motion with the sound beats of every other clip; NaN for a single one."""
    scores = np.full(len(motion), np.nan)
    for i, beats in enumerate(motion):
        others = np.asarray([bas(beats, sound, sigma) for j, sound in enumerate(audio) if j != i])
        if np.isfinite(others).any():
            scores[i] = np.nanmean(others)
    return scores
