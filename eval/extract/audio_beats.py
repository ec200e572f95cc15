"""Beat detection in audio, by librosa's beat tracker (Ellis 2007)."""

from __future__ import annotations

from typing import Literal

import librosa
import numpy as np
from numpy.typing import NDArray

from eval.extract.rates import FPS, SAMPLE_RATE


def audio_beats(
    audio: NDArray[np.float32],
    sample_rate: int = SAMPLE_RATE,
    fps: float = FPS,
    onsets: Literal["percussive", "default"] = "percussive",
) -> NDArray[np.float64]:
    """Detect the beats (B,) of audio (T,), in frames at `fps`; none for silence.

    onsets: the tracker's input is the onset strength of the percussive component, as in Bailando, or librosa's default.
    """
    if not len(audio) or not np.any(audio):
        return np.empty(0)
    envelope = None
    if onsets == "percussive":
        envelope = librosa.onset.onset_strength(y=librosa.effects.percussive(audio), sr=sample_rate)
    _, times = librosa.beat.beat_track(y=audio, onset_envelope=envelope, sr=sample_rate, units="time")
    return np.asarray(times, np.float64) * fps
