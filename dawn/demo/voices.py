"""Voices and speech of the varied demo corpus: many speakers, speeds and pauses, by espeak-ng and flite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from dawn.demo import flite
from dawn.demo.sentences import MORE_SENTENCES, SENTENCES
from dawn.demo.speech import SAMPLE_RATE, Sentence, Speak, Speech, Voice, joined, speaking

_ACCENTS = ("en-us", "en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd",
            "en-029")  # fmt: skip
_WOMEN = ("f1", "f2", "f3", "f4", "f5", "linda", "Alicia", "Andrea", "Annie", "anika", "aunty", "belinda", "steph",
          "steph2", "steph3")  # fmt: skip
_MEN = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "paul", "Alex", "Andy", "Gene", "Lee", "Mario",
        "Michael", "Mike", "adam", "benjamin", "boris", "caleb", "david", "edward", "john", "marcelo", "max",
        "norbert", "pablo", "quincy", "rob", "robert", "travis", "zac")  # fmt: skip
_STEPS = 50  # a speed is a multiple of 1 / _STEPS
_HOP = 80  # samples
_SILENT = 0.15  # share of a sentence's root mean square
_CLOSURE = 0.08  # longest closure of a stop, seconds
_LONGEST_SILENCE = 0.16  # seconds


@dataclass(frozen=True)
class VariedVoice:
    """Voice of a varied person: that of a synthesiser, played faster or slower than it speaks."""

    engine: Voice | flite.FliteVoice
    speed: float  # 0.9 to 1.1, of tempo and pitch


def draw_voice(
    rng: np.random.Generator, feminine: bool, child: bool, age: float, engines: Sequence[str]
) -> VariedVoice:
    """Draw a voice of one of the `engines` (espeak, flite): high for children, lower and slower with age (0 to 1)."""
    speed = rng.uniform(1.0, 1.1) if child else rng.uniform(0.9, 1.1)
    if engines[int(rng.integers(len(engines)))] == "flite":
        names = ["slt"] if feminine or child else ["awb", "kal16", "rms"]
        name = names[rng.integers(len(names))]
        pitch = flite.VOICES[name] * (rng.uniform(1.2, 1.45) if child else rng.uniform(0.8, 1.2))
        stretch = 1.0 if name in flite.STEADY else rng.uniform(0.85, 1.25) + 0.15 * age
        return VariedVoice(flite.FliteVoice(name, pitch, rng.uniform(8, 25), stretch), speed)
    variants = _WOMEN if feminine or child else _MEN
    pitch = int(rng.integers(70, 95)) if child else int(rng.integers(25, 72) - 12 * age)
    voice = Voice(
        name=f"{_ACCENTS[rng.integers(len(_ACCENTS))]}+{variants[rng.integers(len(variants))]}",
        pitch=max(pitch, 10),
        range=int(rng.integers(25, 90)),
        rate=int(rng.integers(105, 185) - 18 * age),
    )
    return VariedVoice(voice, speed)


def synthesise_varied(voice: VariedVoice, seconds: float, rng: np.random.Generator) -> Speech:
    """Synthesise sentences with short and long pauses, joined and cut to exactly `seconds`.

    The same voice, length and generator state give the same samples. Raises InputError when a synthesiser is missing.
    """
    texts = SENTENCES + MORE_SENTENCES
    order = [texts[number] for number in rng.permutation(len(texts))]
    first = rng.uniform(0.14, 0.5)

    def pause() -> float:
        return rng.uniform(0.3, 1.5) if rng.random() < 0.4 else rng.uniform(0.1, 0.3)

    with _speaking(voice, int(rng.integers(1, 2**31))) as speak:
        return _divided(joined(speak, order, seconds, first, pause), seconds)


def draw_babble(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Synthesise four voices that speak at once, (T,); their scale is arbitrary."""
    talks = [
        synthesise_varied(draw_voice(rng, bool(number % 2), False, 0.3, ("espeak",)), seconds, rng).audio
        for number in range(4)
    ]
    return np.asarray(np.sum(talks, axis=0))


@contextmanager
def _speaking(voice: VariedVoice, seed: int) -> Iterator[Speak]:
    """Yield a function that speaks a sentence at the voice's speed."""
    steps = round(voice.speed * _STEPS)

    def play(sentence: Sentence) -> Sentence:
        audio, events = sentence
        played = np.clip(resample_poly(audio, _STEPS, steps), -1, 1).astype(np.float32)
        share = len(played) / len(audio)
        return played, [(start * share, symbol) for start, symbol in events]

    engine = voice.engine
    if isinstance(engine, flite.FliteVoice):
        yield lambda text: play(flite.speak(engine, text))
    else:
        with speaking(engine, seed) as speak:
            yield lambda text: play(_with_closures(speak(text)))


def _with_closures(sentence: Sentence) -> Sentence:
    """Move the start of each voiceless stop to the start of its silent closure; espeak-ng reports the release."""
    audio, events = sentence
    frames = audio[: len(audio) // _HOP * _HOP].reshape(-1, _HOP)
    level = np.sqrt(np.mean(frames**2, axis=1))
    silent = level < _SILENT * np.sqrt(np.mean(level**2))
    moved = []
    earliest = 0.0
    for start, symbol in events:
        begin = start
        if symbol[:1] in ("p", "t", "k"):
            frame = round(start * SAMPLE_RATE / _HOP)
            while begin > max(start - _CLOSURE, earliest) and frame > 0 and silent[min(frame, len(silent)) - 1]:
                frame -= 1
                begin = frame * _HOP / SAMPLE_RATE
            begin = max(begin, earliest)
        moved.append((begin, symbol))
        earliest = begin + 0.02
    return audio, moved


def _divided(speech: Speech, seconds: float) -> Speech:
    """Divide long silences, since a mouth shape acts only near the middle of its phoneme (:mod:`.visemes`)."""
    starts: list[float] = []
    phonemes: list[str] = []
    ends = np.append(speech.starts[1:], seconds)
    for start, end, symbol in zip(speech.starts, ends, speech.phonemes, strict=True):
        count = 1 if symbol else max(1, math.ceil((end - start) / _LONGEST_SILENCE))
        starts += np.linspace(start, end, count, endpoint=False).tolist()
        phonemes += [symbol] * count
    return replace(speech, starts=np.asarray(starts, np.float32), phonemes=tuple(phonemes))
