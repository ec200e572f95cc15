"""Synthesised speech with phoneme times, by the command flite of the system's package of the same name."""

# ruff: noqa: RUF001 (phonemes are IPA letters, many of which look like others)

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from dawn.demo.speech import SAMPLE_RATE, Sentence
from dawn.errors import InputError

VOICES = {"awb": 125, "kal16": 100, "rms": 105, "slt": 175}  # and the usual pitch of each, Hz
STEADY = ("kal16",)  # voices whose phoneme times are wrong when the speed is changed

_IPA = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "b": "b", "ch": "tʃ",
    "d": "d", "dh": "ð", "eh": "ɛ", "el": "l", "em": "m", "en": "n", "er": "ɜ", "ey": "eɪ", "f": "f", "g": "ɡ",
    "hh": "h", "ih": "ɪ", "ix": "ɪ", "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ",
    "ow": "oʊ", "oy": "ɔɪ", "p": "p", "pau": "", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ",
    "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
_VOWELS = {"aa", "ae", "ah", "ao", "aw", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"}
_LONG = 1.15  # a vowel this much longer than the sentence's mean counts as stressed; flite does not print stress


@dataclass(frozen=True)
class FliteVoice:
    """Voice of a person."""

    name: str  # of VOICES
    pitch: float  # mean, Hz
    spread: float  # standard deviation of the pitch, Hz
    stretch: float  # durations as a factor of the usual ones; 1 for a voice of STEADY


def check_flite() -> None:
    """Raise InputError unless the command runs and has the voices."""
    listed = _run("-lv").partition(":")[2].split()
    missing = sorted(set(VOICES) - set(listed))
    if missing:
        raise InputError(f"flite has no voice {', '.join(missing)}: install Debian's flite, or remove it from voices")


def speak(voice: FliteVoice, text: str) -> Sentence:
    """Synthesise one sentence. Raises InputError when the command is missing or fails."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        settings = {"int_f0_target_mean": voice.pitch, "int_f0_target_stddev": voice.spread}
        if voice.name not in STEADY:
            settings["duration_stretch"] = voice.stretch
        options = [part for name, value in settings.items() for part in ("--setf", f"{name}={value:.4f}")]
        printed = _run("-voice", voice.name, *options, "-psdur", "-t", text, "-o", str(path))
        rate, samples = wavfile.read(path)
    if rate != SAMPLE_RATE:
        raise InputError(f"flite: voice {voice.name} has {rate} Hz in place of {SAMPLE_RATE}; install Debian's flite")
    return samples.astype(np.float32) / 32768, _events(printed)


def _events(printed: str) -> list[tuple[float, str]]:
    """Read phones and their ends in seconds ("hh:0.255 ax:0.304"); returns starts in seconds and IPA."""
    phones = [part.rpartition(":")[::2] for part in printed.split()]
    ends = np.array([float(end) for _, end in phones])
    starts = np.concatenate([[0.0], ends[:-1]])
    lengths: NDArray[np.float64] = ends - starts
    vowels = [length for (phone, _), length in zip(phones, lengths, strict=True) if phone in _VOWELS]
    long = _LONG * float(np.mean(vowels)) if vowels else np.inf
    return [
        (float(start), ("ˈ" if phone in _VOWELS and length > long else "") + _IPA[phone])
        for (phone, _), start, length in zip(phones, starts, lengths, strict=True)
    ]


def _run(*arguments: str) -> str:
    if shutil.which("flite") is None:
        raise InputError("the command flite is missing: install it (on Debian: apt-get install flite), or remove flite "
                         "from corpus.demo.voices")  # fmt: skip
    try:
        done = subprocess.run(["flite", *arguments], capture_output=True, text=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"flite {' '.join(arguments)}: {error}") from None
    return done.stdout
