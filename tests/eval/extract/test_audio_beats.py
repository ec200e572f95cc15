"""Beats of audio: the canonical beat and onset times of clicks."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from eval.extract.audio_beats import audio_beats
from tests.support import canonical


@pytest.mark.parametrize("name", canonical.names("audio_beats"))
def test_canonical_beat_and_onset_times(name: str) -> None:
    with canonical.case(name) as (_, case):
        audio = np.zeros(8 * 16000, np.float32)
        click = np.sin(2 * np.pi * 1000 * np.arange(160) / 16000) * np.hanning(160)
        for start in np.arange(0.25, 8, 0.5):
            audio[int(start * 16000) : int(start * 16000) + 160] += click.astype(np.float32)
        assert audio_beats(audio, onsets="default") / 25 == pytest.approx(np.asarray(case["beat_times"]), abs=1e-9)
        onsets = librosa.onset.onset_detect(y=audio, sr=16000, units="time")
        assert onsets == pytest.approx(np.asarray(case["onset_times"]), abs=1e-9)
