r"""Beat alignment score, BAS: how closely beats of head motion coincide with beats of the audio.

.. math:: BAS = mean_b \exp(-\min_k (k - b)^2 / (2 \sigma^2))

b: beats of the audio (librosa's beat tracker on percussive onsets, 16 kHz); k: beats of the motion, the local minima of
the smoothed speed :math:`|x_{t+1} - x_t|`, x being the head's yaw, pitch and roll in degrees at 25 fps. From 0 to 1.
The paper states neither what moves nor how it is smoothed, and smoothing and :math:`\sigma` decide the value, so each
form is a separate metric:

===============  =================================  ==================================================================
``bas``          Bailando (Siyao et al. 2022)       mean over audio beats, sigma 3 frames, Gaussian smoothing 5 frames
``bas_mint``     FACT (Li et al. 2021)              mean over motion beats, sigma 3, no smoothing, minima of order 10
``bas_seconds``  Bailando's constants at 60 fps     mean over audio beats, sigma 0.05 s, smoothing 1/12 s
===============  =================================  ==================================================================

At 25 fps independent motion and audio score about 0.25 with Bailando's constants, so the chance level (``null``) is
always reported: the same motion with the beats of every other clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from dawn.features.interpolation import interpolate_rows
from eval.extract.catalogue import AUDIO_BEATS, FACE_MESH, VIDEO
from eval.extract.rates import FPS
from eval.extract.spec import Features
from eval.metrics.clip_set import NO_AUDIO, NO_FACE, ClipSet, mean_over_clips
from eval.metrics.registry import DOWN, Metric

NAME = "head-rotation-sigma3-smooth5"  # backbone in tables: Bailando's form on head rotation
SIGMA = 3.0  # frames
SMOOTHING = 5.0  # frames


@dataclass(frozen=True)
class Form:
    """One definition of the score.

    over: whether the mean runs over audio beats (``sound``) or motion beats. sigma, smoothing (standard deviation of a
    Gaussian, 0 for none): in frames or seconds, as `unit` states. order: a motion beat is slower than this many frames
    on either side. padded: whether the speed begins with a 0 for the first frame, as in FACT's code.
    """

    name: str
    over: Literal["sound", "motion"]
    sigma: float
    smoothing: float
    unit: Literal["frames", "seconds"] = "frames"
    order: int = 1
    padded: bool = False

    def beats(self, motion: ArrayLike, fps: float = FPS) -> NDArray[np.int64]:
        """Detect motion beats, in frames; motion as :func:`motion_beats` takes it."""
        return motion_beats(motion, self._frames(self.smoothing, fps), self.order, self.padded)

    def score(self, motion_beats: ArrayLike, audio_beats: ArrayLike, fps: float = FPS) -> float:
        """Compute the score in [0, 1] from beats in frames; without beats, as :func:`bas`."""
        align = bas if self.over == "sound" else fact_alignment
        return align(motion_beats, audio_beats, self._frames(self.sigma, fps))

    def _frames(self, length: float, fps: float) -> float:
        return length * fps if self.unit == "seconds" else length


BAILANDO = Form("bailando", "sound", SIGMA, SMOOTHING)
MINT = Form("mint", "motion", SIGMA, 0.0, order=10, padded=True)
SECONDS = Form("seconds", "sound", 0.05, 5 / 60, unit="seconds")  # Bailando's constants at the 60 fps of its data


def bas(motion_beats: ArrayLike, audio_beats: ArrayLike, sigma: float = SIGMA) -> float:
    """Compute the score in [0, 1], averaged over audio beats, from beats in frames.

    0 without motion beats, NaN without audio beats.
    """
    motion, audio = np.asarray(motion_beats, np.float64), np.asarray(audio_beats, np.float64)
    if not len(audio):
        return float("nan")
    if not len(motion):
        return 0.0
    nearest = np.abs(audio[:, None] - motion[None, :]).min(axis=1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())


def fact_alignment(motion_beats: ArrayLike, audio_beats: ArrayLike, sigma: float = SIGMA) -> float:
    """Compute the score in [0, 1], averaged over motion beats as in FACT (Li et al. 2021), from beats in frames.

    It rewards few, well placed beats, where :func:`bas` rewards many. Without beats, as :func:`bas`.
    """
    if not np.size(audio_beats):
        return float("nan")
    return bas(audio_beats, motion_beats, sigma) if np.size(motion_beats) else 0.0


def motion_beats(
    pose: ArrayLike, smoothing: float = SMOOTHING, order: int = 1, padded: bool = False
) -> NDArray[np.int64]:
    """Detect the frames at local minima of the speed of a pose or of points.

    pose: (N, >= 3), its first three columns angles in degrees; or points (N, K, C), whose speeds are averaged.
    smoothing: standard deviation of a Gaussian in frames; order, padded: as in :class:`Form`. Frames with NaN are
    interpolated linearly; fewer than 3 finite frames, or no motion at all, give no beats. Raises InputError on shapes.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import argrelmin

    points = np.asarray(pose, np.float64)
    if points.ndim not in (2, 3) or points.shape[1] < (3 if points.ndim == 2 else 1):
        raise InputError(f"motion beats need (N, >= 3) poses or (N, K, C) points, got {points.shape}")
    if points.ndim == 2:
        points = points[:, None, :3]
    known = np.isfinite(points).all(axis=(1, 2))
    if known.sum() < 3:
        return np.empty(0, np.int64)
    filled = interpolate_rows(points[known], np.flatnonzero(known), np.arange(len(points)))
    speed = np.linalg.norm(np.diff(filled, axis=0), axis=2).mean(axis=1)
    if smoothing > 0:
        speed = gaussian_filter1d(speed, smoothing)
    beats: NDArray[np.int64] = argrelmin(np.insert(speed, 0, 0.0) if padded else speed, order=order)[0]
    return beats


def null(
    motion: Sequence[ArrayLike], audio: Sequence[ArrayLike], form: Form = BAILANDO, fps: float = 25.0
) -> NDArray[np.float64]:
    """Compute the chance level of each clip, (clips,): mean score of its motion with the audio of every other clip.

    motion, audio: beats of each clip in frames. NaN for a single clip.
    """
    scores = np.full(len(motion), np.nan)
    for i, beats in enumerate(motion):
        others = np.asarray([form.score(beats, others_audio, fps) for j, others_audio in enumerate(audio) if j != i])
        if np.isfinite(others).any():
            scores[i] = np.nanmean(others)
    return scores


def _of_clip(form: Form) -> Callable[[Features], tuple[float, str]]:
    def of_clip(features: Features) -> tuple[float, str]:
        mesh, audio = features[FACE_MESH.name], features[AUDIO_BEATS.name]["audio_beats"]
        if not features[VIDEO.name]["samples"].item():
            return np.nan, NO_AUDIO
        if not mesh["found"].any():
            return np.nan, NO_FACE
        if not len(audio):
            return np.nan, "no beat in the sound"
        return form.score(form.beats(mesh["pose"], FPS), audio, FPS), ""

    return of_clip


def _null(form: Form) -> Callable[[ClipSet], list[float]]:
    def chance(clips: ClipSet) -> list[float]:
        videos = [video for video in clips.fake if not isinstance(video, str)]
        motion = [form.beats(video[FACE_MESH.name]["pose"], FPS) for video in videos]
        values = iter(null(motion, [video[AUDIO_BEATS.name]["audio_beats"] for video in videos], form, FPS).tolist())
        return [np.nan if isinstance(video, str) else next(values) for video in clips.fake]

    return chance


def _parameters() -> dict[str, Any]:
    return {"bas": {"sigma": SIGMA, "smoothing": SMOOTHING, "motion": "yaw, pitch, roll in degrees"}}


def _bas(name: str, form: Form, order: int) -> Metric:
    main = form is BAILANDO
    about = f"mean over beats of the {form.over}, sigma {form.sigma:g} {form.unit}, head rotation"
    return Metric(
        name=name,
        title="BAS" if main else f"BAS ({form.name})",
        better="near",
        note="alignment of head-motion beats with sound beats",
        protocol=f"{form.name}: {about}; null: with the sound of other videos",
        digits=3,
        backbone=NAME if main else f"head-rotation-{form.name}",
        order=order,
        real=(FACE_MESH, AUDIO_BEATS),
        fake=(FACE_MESH, AUDIO_BEATS),
        compute=mean_over_clips(_of_clip(form), _null(form)),
        per_clip=True,
        parameters=_parameters if main else dict,
        follows={"shuffle": DOWN, "delay": DOWN} if main else {},
    )


METRICS = (_bas("bas", BAILANDO, 100), _bas("bas_mint", MINT, 101), _bas("bas_seconds", SECONDS, 102))
