"""Beat alignment score of head motion and speech: Bailando's form (Siyao et al. 2022), FACT's, and one in seconds.

Mean over the sound's beats of ``exp(-d^2 / (2 sigma^2))``, d the way to the nearest beat of the motion; motion beats
are local minima of the smoothed speed. The paper does not say what moves or how it is smoothed: here the head's
rotation in degrees, with Bailando's constants, which at 25 fps put independent sound and motion near 0.25. Smoothing
and sigma decide the number, so each choice has a name (:data:`FORMS`), and the score is reported beside its null, the
same motion against the beats of other clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import librosa
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelmin

from dawn.errors import InputError

NAME = "head-rotation-sigma3-smooth5"
SIGMA = 3.0  # frames
SMOOTHING = 5.0  # frames


@dataclass(frozen=True)
class Form:
    """One way of scoring: the beats that are averaged over, and what a beat of the motion is.

    `sigma` and `smoothing` (a Gaussian's, 0 for none) are in frames or seconds, as `unit` says. A beat is slower than
    `order` frames on either side; with `padded` the speed begins with a 0 for the first frame, as FACT's does.
    """

    name: str
    over: Literal["sound", "motion"]
    sigma: float
    smoothing: float
    unit: Literal["frames", "seconds"] = "frames"
    order: int = 1
    padded: bool = False

    def beats(self, motion: ArrayLike, fps: float = 25.0) -> NDArray[np.int64]:
        """Motion as :func:`motion_beats` takes it -> its beats in frames."""
        return motion_beats(motion, self._frames(self.smoothing, fps), self.order, self.padded)

    def score(self, motion_beats: ArrayLike, audio_beats: ArrayLike, fps: float = 25.0) -> float:
        """Beats in frames -> score in [0, 1]; without beats, as :func:`bas`."""
        align = bas if self.over == "sound" else fact_alignment
        return align(motion_beats, audio_beats, self._frames(self.sigma, fps))

    def _frames(self, length: float, fps: float) -> float:
        return length * fps if self.unit == "seconds" else length


BAILANDO = Form("bailando", "sound", SIGMA, SMOOTHING)
MINT = Form("mint", "motion", SIGMA, 0.0, order=10, padded=True)
SECONDS = Form("seconds", "sound", 0.05, 5 / 60, unit="seconds")  # Bailando's constants at the 60 fps of its data
FORMS = {form.name: form for form in (BAILANDO, MINT, SECONDS)}


@dataclass(frozen=True)
class Aligned:
    """Scores of clips, (clips,), and beside each what its motion scores with the sound of the others."""

    form: str
    scores: NDArray[np.float64]
    nulls: NDArray[np.float64]


def aligned(
    motions: Sequence[ArrayLike], sounds: Sequence[ArrayLike], form: Form = BAILANDO, fps: float = 25.0
) -> Aligned:
    """Each clip's motion (as :func:`motion_beats` takes it) and sound beats in frames -> :class:`Aligned`."""
    if len(motions) != len(sounds):
        raise InputError(f"beats of {len(motions)} motions and {len(sounds)} sounds cannot be aligned")
    beats = [form.beats(motion, fps) for motion in motions]
    scores = [form.score(motion, sound, fps) for motion, sound in zip(beats, sounds, strict=True)]
    return Aligned(form.name, np.asarray(scores, np.float64), null(beats, sounds, form, fps))


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


def motion_beats(
    pose: ArrayLike, smoothing: float = SMOOTHING, order: int = 1, padded: bool = False
) -> NDArray[np.int64]:
    """Frames where the motion is slowest, of a pose or of points that move.

    A pose is (N, >= 3), its first three columns angles in degrees; points are (N, K, C) and their speed is the mean of
    theirs. Smoothing is a Gaussian's sigma in frames; the rest as :class:`Form` says. Frames without a value (NaN) are
    filled linearly; what is nowhere found, or never moves, has no beats.
    """
    points = np.asarray(pose, np.float64)
    if points.ndim not in (2, 3) or points.shape[1] < (3 if points.ndim == 2 else 1):
        raise InputError(f"motion beats need (N, >= 3) poses or (N, K, C) points, got {points.shape}")
    if points.ndim == 2:
        points = points[:, None, :3]
    known = np.isfinite(points).all(axis=(1, 2))
    if known.sum() < 3:
        return np.empty(0, np.int64)
    frames = np.arange(len(points))
    columns = points.reshape(len(points), -1).T
    filled = np.stack([np.interp(frames, frames[known], column[known]) for column in columns], axis=1)
    speed = np.linalg.norm(np.diff(filled.reshape(points.shape), axis=0), axis=2).mean(axis=1)
    if smoothing > 0:
        speed = gaussian_filter1d(speed, smoothing)
    beats: NDArray[np.int64] = argrelmin(np.insert(speed, 0, 0.0) if padded else speed, order=order)[0]
    return beats


def audio_beats(
    audio: NDArray[np.float32],
    sample_rate: int = 16000,
    fps: float = 25.0,
    of: Literal["percussive", "whole"] = "percussive",
) -> NDArray[np.float64]:
    """(T,) sound -> beats in frames, by librosa's beat tracker.

    It hears the onsets of the percussive part, as Bailando has it, or with ``whole`` what it takes by default.
    """
    if not len(audio) or not np.any(audio):
        return np.empty(0)
    onsets = None
    if of == "percussive":
        onsets = librosa.onset.onset_strength(y=librosa.effects.percussive(audio), sr=sample_rate)
    _, times = librosa.beat.beat_track(y=audio, onset_envelope=onsets, sr=sample_rate, units="time")
    return np.asarray(times, np.float64) * fps


def audio_onsets(audio: NDArray[np.float32], sample_rate: int = 16000, fps: float = 25.0) -> NDArray[np.float64]:
    """(T,) sound -> its onsets in frames, for scores that take every onset for a beat: speech has no steady beat."""
    if not len(audio) or not np.any(audio):
        return np.empty(0)
    return np.asarray(librosa.onset.onset_detect(y=audio, sr=sample_rate, units="time"), np.float64) * fps


def null(
    motion: Sequence[ArrayLike], audio: Sequence[ArrayLike], form: Form = BAILANDO, fps: float = 25.0
) -> NDArray[np.float64]:
    """Beats of clips in frames -> (clips,): the mean score of each clip's motion with the sound of every other clip.

    NaN for a single clip.
    """
    scores = np.full(len(motion), np.nan)
    for i, beats in enumerate(motion):
        others = np.asarray([form.score(beats, sound, fps) for j, sound in enumerate(audio) if j != i])
        if np.isfinite(others).any():
            scores[i] = np.nanmean(others)
    return scores
