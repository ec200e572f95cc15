"""Motion of a rendered person who speaks, at 25 frames a second.

Head, brows and blinks follow the speech (stress, loudness, phrase ends), as people's do, with a large random part. The
motion is independent of appearance and resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from dawn.demo.speech import SAMPLE_RATE, Speech
from dawn.demo.visemes import mouth_shapes, stressed

FPS = 25
_BLINKS = (  # closure of the lids in successive frames: they close faster than they open
    (0.55, 1.0, 1.0, 0.65, 0.2),
    (0.4, 0.95, 1.0, 0.9, 0.5, 0.15),
    (0.3, 0.85, 1.0, 1.0, 0.8, 0.45, 0.12),
)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Manner:
    """Amplitudes of a person's motion; 1.0 is the average."""

    turn: float  # size of head turns
    nod: float  # nods on stressed syllables
    tilt: float
    mouth: float  # how widely the mouth opens
    brows: float
    blinks: float  # per second
    smile: float  # -0.3 to 1, corners of the mouth at rest
    yaw_spread: float | None = None  # standard deviation of yaw within a clip, degrees; none: that of lively people


@dataclass(frozen=True)
class Motion:
    """Motion tracks, float32, one row per frame.

    pose (N,6): yaw, pitch, roll in degrees, scale, and the shift x, y in frame sides. Signs are those of the features:
    yaw is positive for a face turned to image left, pitch for one that looks down, roll for one tilted anticlockwise in
    the image.
    closure (N,2): lids of the eyes at image left and image right, 0 open to 1 closed.
    mouth (N,4): opening 0..1, width -1..1, rounding 0..1, press 0..1. gaze (N,2): right and down, -1..1.
    brows (N,): -0.5 (lowered) to 1 (raised).
    """

    pose: Array
    closure: Array
    mouth: Array
    gaze: Array
    brows: Array


def generate_motion(speech: Speech, manner: Manner, rng: np.random.Generator) -> Motion:
    """Generate the motion of an utterance; the length of its audio gives the number of frames."""
    seconds = len(speech.audio) / SAMPLE_RATE
    frames = round(seconds * FPS)
    times = (np.arange(frames) + 0.5) / FPS
    energy = _energy(speech.audio, frames)
    accents = speech.starts[stressed(speech.phonemes)]
    pauses = speech.starts[np.array([symbol == "" for symbol in speech.phonemes], bool)]
    if manner.yaw_spread is None:
        settle = 0.3 + 0.7 * np.clip(times / 0.5, 0, 1) ** 2  # the clip begins near the neutral pose
        spreads = np.array([[8.5, 13.5], [5.2, 8.0], [2.4, 4.5]])
    else:
        settle = np.ones(frames)
        shares = np.array([1.0, rng.uniform(0.4, 0.7), rng.uniform(0.25, 0.45)])
        spreads = manner.yaw_spread * np.repeat(shares[:, None], 2, axis=1)
    lively = 0.6 + 0.8 * energy

    turns = _postures(times, np.concatenate([accents, pauses]), rng)
    yaw = 15.0 * manner.turn * turns[0] + 3.0 * lively * _sway(frames, 6, rng)
    pitch = 10.5 * turns[1] + 3.2 * lively * _sway(frames, 5, rng)
    pitch += manner.nod * _pulses(times, accents, 7.0 * rng.uniform(0.5, 1.3, len(accents)), 0.11)
    pitch -= 2.5 * (gaussian_filter1d(energy, 4) - energy.mean())
    roll = 4.6 * manner.tilt * turns[2] - 0.08 * yaw + 1.7 * _sway(frames, 7, rng)
    pose = np.stack(
        [
            _bounded(_ample(yaw * settle, *spreads[0]), 26),
            _bounded(_ample((pitch - 0.6 * pitch.mean()) * settle, *spreads[1]), 16),
            _bounded(_ample(roll * settle, *spreads[2]), 9),
            1 + settle * (0.018 * _sway(frames, 12, rng) + 0.02 * (gaussian_filter1d(energy, 8) - energy.mean())),
            settle * (0.024 * turns[3] + 0.009 * _sway(frames, 8, rng)),
            settle * (0.015 * _sway(frames, 9, rng) - 0.0008 * pitch),
        ],
        axis=1,
    )
    if manner.yaw_spread is not None:
        pose = _placed(pose, manner.yaw_spread, rng)

    mouth = mouth_shapes(speech.starts, speech.phonemes, seconds, frames)
    mouth[:, 0] = np.clip(mouth[:, 0] * manner.mouth * (0.95 + 0.4 * gaussian_filter1d(energy, 2)), 0, 1)

    mouth[:, 0] *= np.clip(times / 0.14, 0, 1)  # the first frame, the source of generation, has a closed mouth

    brows = manner.brows * (
        _pulses(times, accents, rng.uniform(0, 0.7, len(accents)) * (rng.random(len(accents)) < 0.5), 0.16)
        + 0.18 * _sway(frames, 8, rng)
    )
    closure = _lids(frames, manner.blinks, pauses, rng)
    gaze = _gaze(frames, rng)
    gaze[:, 0] += 0.5 * pose[:, 0] / 25  # the gaze stays on the listener while the head turns
    gaze[:, 1] -= 0.45 * pose[:, 1] / 15
    return Motion(
        pose.astype(np.float32),
        closure,
        mouth.astype(np.float32),
        np.clip(gaze, -1, 1).astype(np.float32),
        np.clip(brows, -0.5, 1).astype(np.float32),
    )


def _energy(audio: Array, frames: int) -> NDArray[np.float64]:
    """Compute the loudness of each frame, (N,), relative to the loudest of the clip, 0..1."""
    rms = np.sqrt(np.square(audio[: frames * (len(audio) // frames)].astype(np.float64)).reshape(frames, -1).mean(1))
    return np.asarray(np.sqrt(rms / max(rms.max(), 1e-6)))


def _sway(frames: int, sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw smooth noise (N,) of unit variance, correlated over about `sigma` frames."""
    pad = int(4 * sigma) + 1
    noise = gaussian_filter1d(rng.standard_normal(frames + 2 * pad), sigma)[pad:-pad]
    return np.asarray(noise * np.sqrt(2 * sigma * np.sqrt(np.pi)))


def _pulses(
    times: NDArray[np.float64], at: NDArray[np.floating], size: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Sum Gaussian bumps of the given sizes, `width` seconds wide, 0.06 s after the times `at`."""
    return np.asarray((size * np.exp(-(((times[:, None] - at - 0.06) / width) ** 2))).sum(axis=1))


def _postures(times: NDArray[np.float64], cues: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw four smoothed piecewise-constant tracks (4, N) that change at some of the speech's cues.

    They have unit variance over many clips.
    """
    changes = [0.0]
    for cue in np.sort(cues):
        if cue - changes[-1] > 0.35 and rng.random() < 0.65:
            changes.append(float(cue))
    while times[-1] - changes[-1] > 1.6:  # no posture lasts longer
        changes.append(changes[-1] + rng.uniform(0.6, 1.4))
    targets = rng.standard_normal((4, len(changes)))
    side = rng.choice((-1.0, 1.0))
    swing = rng.uniform(0.35, 1.75, len(changes))
    targets[0] = side * swing * np.where(np.arange(len(changes)) % 2, 1, -1) + rng.normal(0, 0.25)
    targets[:, 0] *= 0.4
    steps = np.searchsorted(np.asarray(changes), times, side="right") - 1
    return np.asarray(gaussian_filter1d(np.clip(targets, -2.1, 2.1)[:, np.maximum(steps, 0)], 4.5, axis=1))


def _ample(values: NDArray[np.float64], least: float, most: float) -> NDArray[np.float64]:
    """Scale the track to a standard deviation between `least` and `most` degrees within the clip."""
    spread = max(float(values.std()), 1e-6)
    return values * (min(max(spread, least), most) / spread)


def _placed(pose: NDArray[np.float64], yaw_spread: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Move the track to a posture and a framing that are constant in the clip; calm people also move less."""
    posture = rng.uniform((-12, -6, -5), (12, 6, 5))
    pose[:, :3] += posture - pose[:, :3].mean(axis=0)
    pose[:, 3] = (1 + 0.1 * yaw_spread * (pose[:, 3] - 1)) * rng.uniform(0.9, 1.1)
    pose[:, 4:] = 0.1 * yaw_spread * pose[:, 4:] + rng.uniform((-0.05, -0.04), (0.05, 0.03))
    pose[:, :3] = np.stack([_bounded(pose[:, 0], 30), _bounded(pose[:, 1], 18), _bounded(pose[:, 2], 13)], axis=1)
    return pose


def _bounded(values: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Compress values smoothly into (-limit, limit), nearly unchanged below two thirds of the limit."""
    return np.asarray(values / (1 + np.abs(values / limit) ** 4) ** 0.25)


def _lids(frames: int, rate: float, pauses: NDArray[np.floating], rng: np.random.Generator) -> Array:
    """Draw the closure of both lids (N, 2): blinks at random and at phrase ends, never in the first frames."""
    closure = np.zeros((frames, 2), np.float32)
    starts: list[int] = []
    moment = rng.uniform(0.35, min(0.35 + 1.2 / rate, max(0.4, 0.8 * frames / FPS)))
    while moment * FPS < frames - 2:
        near = pauses[np.abs(pauses - moment) < 0.35]
        begin = int((near[0] if len(near) and near[0] > 0.3 else moment) * FPS)
        if not starts or begin - starts[-1] > 12:
            starts.append(begin)
        moment += 0.55 + rng.exponential(max(1 / rate - 0.55, 0.1))
    for begin in starts:
        shape = np.asarray(_BLINKS[rng.integers(len(_BLINKS))], np.float32)[: frames - begin]
        closure[begin : begin + len(shape)] = np.maximum(closure[begin : begin + len(shape)], shape[:, None])
    resting = 0.05 + 0.04 * _sway(frames, 10, rng)[:, None]
    return np.clip(np.maximum(closure, resting), 0, 1).astype(np.float32)


def _gaze(frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the gaze (N, 2) with small saccades: constant, then a jump within a frame."""
    gaze = np.zeros((frames, 2))
    frame = int(rng.integers(8, 20))
    while frame < frames:
        gaze[frame:] = rng.normal(0, (0.28, 0.14))
        frame += int(rng.integers(14, 40))
    return gaze
