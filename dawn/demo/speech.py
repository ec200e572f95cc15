"""Synthesised speech with phoneme times, by the espeak-ng library of the package espeakng-loader."""

from __future__ import annotations

import _ctypes
import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from dawn.demo.sentences import SENTENCES
from dawn.errors import InputError

SAMPLE_RATE = 16000
NATIVE_RATE = 22050  # Hz, of espeak-ng's output
_AUDIBLE = 0.02  # root mean square of a piece that is not silence

# speak_lib.h: output modes, initialisation options, parameters, event types, character set
_RETRIEVAL, _PHONEME_EVENTS, _PHONEME_IPA = 1, 1, 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8 = 1


# Audio (T,) at 16 kHz, and start in seconds and IPA symbol of each phoneme.
Sentence = tuple[NDArray[np.float32], list[tuple[float, str]]]
Speak = Callable[[str], Sentence]


@dataclass(frozen=True)
class Voice:
    """Voice of a person."""

    name: str  # espeak-ng voice with variant, e.g. en-us+f3
    pitch: int  # 0 to 100
    range: int  # variation of the pitch, 0 to 100
    rate: int  # words a minute


@dataclass(frozen=True)
class Speech:
    """An utterance: audio float32 (T,) in [-1, 1] at 16 kHz, and the start of each phoneme, (P,) in seconds.

    An empty phoneme is silence. Starts increase; the last phoneme ends with the audio.
    """

    text: str
    audio: NDArray[np.float32]
    starts: NDArray[np.float32]
    phonemes: tuple[str, ...]


def synthesise(voice: Voice, seconds: float, rng: np.random.Generator) -> Speech:
    """Synthesise everyday sentences in one voice, joined and cut to exactly `seconds`.

    The same voice, length and generator state give the same samples in any process, independent of earlier calls.
    Raises InputError when the library cannot start or has no such voice.
    """
    first = rng.uniform(0.14, 0.24)  # so that the first frame shows a mouth at rest
    order = rng.permutation(len(SENTENCES))
    with speaking(voice, int(rng.integers(1, 2**31))) as speak:
        return joined(speak, [SENTENCES[number] for number in order], seconds, first, lambda: rng.uniform(0.12, 0.3))


def joined(speak: Speak, sentences: Sequence[str], seconds: float, first: float, pause: Callable[[], float]) -> Speech:
    """Speak `sentences`, again and again, with a pause after each, and cut to exactly `seconds`.

    `first` and the values of `pause` are lengths of silence in seconds.
    """
    length = round(seconds * SAMPLE_RATE)
    parts: list[NDArray[np.float32]] = []
    starts: list[float] = []
    phonemes: list[str] = []
    spoken: list[str] = []
    now = 0

    def silence(samples: int) -> None:
        nonlocal now
        starts.append(now / SAMPLE_RATE)
        phonemes.append("")
        parts.append(np.zeros(samples, np.float32))
        now += samples

    silence(int(first * SAMPLE_RATE))
    while now < length:
        sentence = sentences[len(spoken) % len(sentences)]
        audio, events = speak(sentence)
        starts += [now / SAMPLE_RATE + start for start, _ in events]
        phonemes += [symbol for _, symbol in events]
        parts.append(audio)
        spoken.append(sentence)
        now += len(audio)
        silence(int(pause() * SAMPLE_RATE))
    audio = np.concatenate(parts)[:length]
    fade = np.linspace(1, 0, 160, dtype=np.float32)  # 10 ms, so that the cut is without click
    audio[-len(fade) :] *= fade
    kept = int(np.searchsorted(starts, seconds))
    return Speech(" ".join(spoken), audio, np.asarray(starts[:kept], np.float32), tuple(phonemes[:kept]))


@contextmanager
def speaking(voice: Voice, seed: int) -> Iterator[Speak]:
    """Yield a function that speaks a sentence; speech depends on voice, seed and earlier sentences only."""
    with _library(seed) as library:
        _set_voice(library, voice)
        yield partial(_synthesise_sentence, library)


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@contextmanager
def _library(seed: int) -> Iterator[Any]:
    """Load the espeak-ng library for one utterance and unload it afterwards.

    The library keeps oscillator phases and a noise generator between utterances; unloading makes speech a function of
    the arguments only.
    """
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(_RETRIEVAL, 0, data, _PHONEME_EVENTS | _PHONEME_IPA) != NATIVE_RATE:
        raise InputError(f"espeak-ng cannot start from {data.decode()}: reinstall the package espeakng-loader")
    try:
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        yield library
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _set_voice(library: Any, voice: Voice) -> None:
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise InputError(f"espeak-ng has no voice {voice.name!r}")
    for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_RANGE, voice.range)):
        library.espeak_SetParameter(parameter, value, 0)


def _synthesise_sentence(library: Any, text: str) -> Sentence:
    """Synthesise one sentence."""
    chunks: list[NDArray[np.int16]] = []
    events: list[tuple[int, str]] = []
    callback = _Callback(partial(_receive, chunks, events))
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode() + b"\0"
    library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    divisor = math.gcd(SAMPLE_RATE, NATIVE_RATE)
    native = np.concatenate(chunks).astype(np.float64) / 32768
    audio = resample_poly(native, SAMPLE_RATE // divisor, NATIVE_RATE // divisor)
    timed = [(ms / 1000, symbol) for ms, symbol in _without_glides(audio, events)]
    return np.clip(audio, -1, 1).astype(np.float32), timed


def _without_glides(audio: NDArray[np.float64], events: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Merge audible glides, whose symbol the library leaves empty, into the phoneme before; keep silences."""
    kept = []
    ends = [ms for ms, _ in events[1:]] + [round(1000 * len(audio) / SAMPLE_RATE)]
    for (start, symbol), end in zip(events, ends, strict=True):
        piece = audio[start * SAMPLE_RATE // 1000 : end * SAMPLE_RATE // 1000]
        if symbol or not len(piece) or np.sqrt(np.mean(np.square(piece))) < _AUDIBLE:
            kept.append((start, symbol))
    return kept


def _receive(
    chunks: list[NDArray[np.int16]], events: list[tuple[int, str]], samples: Any, count: int, reported: Any
) -> int:
    if samples and count > 0:
        chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
    index = 0
    while reported[index].type != _EVENT_END:
        event = reported[index]
        if event.type == _EVENT_PHONEME:
            events.append((event.audio_position, bytes(event.id.string).decode("utf-8", "ignore")))
        index += 1
    return 0
