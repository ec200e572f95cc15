"""The mouth in silence: which frames are silent, and what passes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.studies.silence import quiet_frames, silence_check

SAMPLES = 640  # per frame


def sound_of(amplitudes: list[float]) -> NDArray[np.float32]:
    """A tone of this amplitude in each frame."""
    tone = np.sin(2 * np.pi * np.arange(SAMPLES) / 64)
    return np.concatenate([amplitude * tone for amplitude in amplitudes]).astype(np.float32)


def quiet_of(text: str) -> NDArray[np.bool_]:
    """Quiet frames, one character each: a dot for a quiet frame."""
    return np.array([letter == "." for letter in text])


CLIP = quiet_of("........aaaaaaaaaaaa")  # frames 0 to 5 are silent, 6 and 7 are next to speech
MOVING = np.sin(np.arange(20.0))


def mouth(amplitude: float) -> NDArray[np.float64]:
    """A mouth that moves in all frames, in the silent ones with another amplitude."""
    return np.where(np.arange(20) < 6, amplitude, 1.0) * MOVING


def test_a_frame_is_quiet_forty_decibels_below_the_loudest() -> None:
    sound = sound_of([0.0, 0.0049, 0.0051, 0.5])
    assert quiet_frames(sound, 4, SAMPLES).tolist() == [True, True, False, False]
    assert quiet_frames(sound, 6, SAMPLES).tolist() == [True, True, False, False, True, True]
    assert not quiet_frames(np.zeros(2560, np.float32), 4, SAMPLES).any()
    # Frames of 533.3 samples: the sound, from sample 1920, starts in frame 3 and ends in frame 4.
    assert quiet_frames(sound_of([0, 0, 0, 0.5]), 6, 16000 / 30).tolist() == [True, True, True, False, False, True]


def test_a_mouth_that_moves_in_silence_does_not_pass() -> None:
    true = [mouth(0.0)] * 3
    still = silence_check([mouth(0.1)] * 3, [CLIP] * 3, true)
    moving = silence_check([mouth(1.0)] * 3, [CLIP] * 3, true)
    assert still["passed"] and not moving["passed"]
    assert still["value"] == pytest.approx(0.1 * moving["value"], rel=1e-3) and still["true_clips"] == 0
    silence, speech = MOVING[:6], MOVING[8:]
    assert moving["value"] == pytest.approx(np.sqrt(np.mean(silence**2)) / speech.std(ddof=1), abs=1e-4)
    assert moving["opening"] == pytest.approx({"silence": silence.mean(), "speech": speech.mean()})
    assert moving["required"] == "at most 0.2"


def test_a_mouth_that_stays_open_in_silence_does_not_pass() -> None:
    report = silence_check([mouth(0.0) + 0.4], [CLIP], [mouth(0.0)])
    assert report["value"] == pytest.approx(0.4 / MOVING[8:].std(ddof=1), abs=1e-4) and not report["passed"]


def test_frames_next_to_speech_are_neither_silence_nor_speech() -> None:
    opening = mouth(0.0)
    opening[[6, 7]] = 5.0
    assert silence_check([opening], [CLIP], [opening])["value"] == 0
    opening[5] = 5.0
    assert not silence_check([opening], [CLIP], [opening])["passed"]


def test_videos_of_other_clips_are_the_baseline() -> None:
    reverse = silence_check([mouth(0.0), mouth(0.0)[::-1]], [CLIP, CLIP[::-1]], [mouth(0.0)] * 2)
    assert reverse["value"] == 0 and reverse["baseline"] > 0.2 and reverse["passed"]


def test_clips_without_silence_are_left_out_and_counted() -> None:
    speech = quiet_of("....aaaaaaaaaaaaaaaa")  # two silent frames
    report = silence_check([mouth(1.0), mouth(0.0)], [speech, CLIP], [mouth(0.0)] * 2)
    assert report["passed"] and report["left_out"] == 1 and report["clips"] == [None, 0.0]
    none = silence_check([mouth(0.0)], [speech], [mouth(0.0)])
    assert not none["passed"] and none["value"] is None and none["left_out"] == 1
    assert none["reason"] == "no clip with 3 silent frames and 3 of speech"


@pytest.mark.parametrize("opening", [None, np.ones(20), np.ones(2)])
def test_without_a_face_or_movement_the_ratio_is_one(opening: NDArray[np.float64] | None) -> None:
    report = silence_check([opening], [CLIP], [mouth(0.0)])
    assert report["value"] == 1 and not report["passed"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
