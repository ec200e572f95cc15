"""Rooms, noise and microphones: what lies between a voice and its recording. No sound is moved in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from dawn.demo.speech import SAMPLE_RATE

Audio = NDArray[np.float32]  # (T,) at SAMPLE_RATE, in [-1, 1]
NOISES = ("white", "pink", "hum", "babble")
_FRAME = SAMPLE_RATE // 100
_AUDIBLE = 20.0  # Hz
_QUIET = 0.03  # frames of 10 ms below this share of the loudest are pauses


@dataclass(frozen=True)
class Acoustics:
    """Recording of one clip."""

    loudness: float  # root mean square of the speech without its pauses, dB of full scale
    reverberation: float  # time in which the room's sound decays by 60 dB, seconds; 0 none
    wet: float  # energy of the room's sound relative to the direct sound
    noise: str  # one of NOISES; none is empty
    snr: float  # of speech and noise, dB
    band: tuple[float, float]  # passed by the microphone, Hz; the upper end of a full band is 8000
    drive: float  # amplification into soft clipping, 0 none
    seed: int  # of room and noise


def draw_acoustics(rng: np.random.Generator) -> Acoustics:
    """Draw a recording: half are without noise, half without a room, two thirds of the full band."""
    room = rng.random() < 0.5
    noisy = rng.random() < 0.5
    band = rng.choice(("full", "telephone", "narrow"), p=(0.65, 0.1, 0.25))
    low = {"full": _AUDIBLE, "telephone": 300.0, "narrow": rng.uniform(40, 200)}[str(band)]
    high = {"full": 8000.0, "telephone": 3400.0, "narrow": rng.uniform(3000, 7500)}[str(band)]
    return Acoustics(
        loudness=rng.uniform(-30, -12),
        reverberation=rng.uniform(0.1, 0.6) if room else 0.0,
        wet=10 ** rng.uniform(-2.2, -0.5),
        noise=NOISES[rng.integers(len(NOISES))] if noisy else "",
        snr=rng.uniform(5, 40),
        band=(low, high),
        drive=rng.uniform(0.5, 3) if rng.random() < 0.15 else 0.0,
        seed=int(rng.integers(2**31)),
    )


def record(speech: Audio, acoustics: Acoustics, babble: Audio | None) -> Audio:
    """Record speech (T,): clipping, room, noise, band and loudness. `babble` (T,) is the noise of that name."""
    rng = np.random.default_rng(acoustics.seed)
    sound = speech.astype(np.float64)
    if acoustics.drive:
        peak = np.abs(sound).max()
        sound = peak * np.tanh(acoustics.drive * sound / peak) / np.tanh(acoustics.drive)
    level = _level(sound)
    if acoustics.reverberation:
        sound = sound + _room(sound, acoustics, rng)
    if acoustics.noise:
        noise = babble.astype(np.float64) if babble is not None else _noise(acoustics.noise, len(sound), rng)
        wanted = level * 10 ** (-acoustics.snr / 20)
        sound = sound + noise * wanted / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
    low, high = acoustics.band
    sound = sosfilt(butter(2, low, "highpass", fs=SAMPLE_RATE, output="sos"), sound)
    if high < SAMPLE_RATE / 2:
        sound = sosfilt(butter(4, high, "lowpass", fs=SAMPLE_RATE, output="sos"), sound)
    sound = sound * 10 ** (acoustics.loudness / 20) / _level(sound)
    return np.asarray(sound / (1 + np.abs(sound) ** 8) ** (1 / 8), np.float32)  # peaks bend below full scale


def _level(sound: NDArray[np.float64]) -> float:
    """Compute the root mean square of the sound without its pauses."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.mean(frames**2, axis=1)
    return float(np.sqrt(power[power > _QUIET**2 * power.max()].mean()))


def _room(sound: NDArray[np.float64], acoustics: Acoustics, rng: np.random.Generator) -> NDArray[np.float64]:
    """Compute the reverberation of the sound: decaying noise after the direct sound."""
    length = round(acoustics.reverberation * SAMPLE_RATE)
    times = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * 10 ** (-3 * times / acoustics.reverberation)
    tail[: round(rng.uniform(0.002, 0.01) * SAMPLE_RATE)] = 0
    tail *= np.sqrt(acoustics.wet / np.sum(tail**2))
    return np.asarray(fftconvolve(sound, tail)[: len(sound)])


def _noise(kind: str, length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw white noise, pink noise (power falls with 1 / frequency) or the hum of the mains with its harmonics."""
    if kind == "hum":
        times = np.arange(length) / SAMPLE_RATE
        base = rng.choice((50.0, 60.0))
        waves = [rng.uniform(0.1, 1) / n * np.sin(2 * np.pi * (n * base * times + rng.random())) for n in range(1, 9)]
        return np.asarray(np.sum(waves, axis=0) + 0.05 * rng.standard_normal(length))
    white = rng.standard_normal(length)
    if kind == "white":
        return white
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    share = np.where(frequencies > _AUDIBLE, 1 / np.sqrt(np.maximum(frequencies, _AUDIBLE)), 0)
    return np.fft.irfft(share * np.fft.rfft(white), length)
