"""Mouth shapes from phonemes, with coarticulation."""

# ruff: noqa: RUF001 (phonemes are IPA letters, many of which look like others)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# opening 0..1, width -1 (pursed) .. 1 (spread), rounding 0..1, press 0..1 (lips together), dominance over neighbours
_VOWELS = {
    "a": (0.95, 0.15, 0.0),
    "ɑ": (1.0, 0.0, 0.05),
    "æ": (0.9, 0.45, 0.0),
    "ɐ": (0.75, 0.1, 0.0),
    "ʌ": (0.75, 0.05, 0.0),
    "ɒ": (0.85, -0.25, 0.4),
    "ɔ": (0.8, -0.4, 0.6),
    "o": (0.6, -0.6, 0.8),
    "ʊ": (0.4, -0.6, 0.75),
    "u": (0.3, -0.8, 1.0),
    "ʉ": (0.32, -0.7, 0.85),
    "ə": (0.45, 0.0, 0.05),
    "ɚ": (0.45, -0.15, 0.2),
    "ɜ": (0.55, -0.1, 0.15),
    "ɛ": (0.7, 0.4, 0.0),
    "e": (0.6, 0.5, 0.0),
    "ɪ": (0.42, 0.45, 0.0),
    "ᵻ": (0.4, 0.4, 0.0),
    "i": (0.32, 0.8, 0.0),
}
_CONSONANTS = {
    "p": (0.0, 0.0, 0.0, 1.0, 2.6),
    "b": (0.0, 0.0, 0.0, 1.0, 2.6),
    "m": (0.0, 0.05, 0.0, 1.0, 2.6),
    "f": (0.06, 0.1, 0.0, 0.55, 1.8),
    "v": (0.08, 0.1, 0.0, 0.5, 1.7),
    "w": (0.16, -0.85, 1.0, 0.0, 1.5),
    "ʍ": (0.16, -0.85, 1.0, 0.0, 1.5),
    "ɹ": (0.26, -0.4, 0.5, 0.0, 0.9),
    "ʃ": (0.22, -0.5, 0.7, 0.0, 1.2),
    "ʒ": (0.22, -0.5, 0.7, 0.0, 1.2),
    "θ": (0.24, 0.1, 0.0, 0.0, 0.8),
    "ð": (0.24, 0.1, 0.0, 0.0, 0.7),
    "s": (0.14, 0.35, 0.0, 0.0, 1.0),
    "z": (0.14, 0.35, 0.0, 0.0, 1.0),
}
_TONGUE = (0.24, 0.1, 0.0, 0.0, 0.45)  # articulated by the tongue: the lips follow neighbouring phonemes
_SILENCE = (0.02, 0.0, 0.0, 0.12, 1.1)
_STRESS = "ˈ"  # IPA primary stress
_REACH = 0.05  # seconds over which a target's dominance falls to 1/e
_FINE = 4  # moments per frame that are evaluated and averaged, as by a shutter


def mouth_shapes(
    starts: NDArray[np.float32], phonemes: Sequence[str], seconds: float, frames: int
) -> NDArray[np.float32]:
    """Compute the mouth of each frame, float32 (frames, 4): opening 0..1, width -1..1, rounding 0..1, press 0..1.

    The mouth is the mean of the shapes of all phonemes, weighted by a dominance that decays with the distance in time
    (Cohen and Massaro, 1993). So vowels round before a following /w/, and bilabials, which dominate, close the lips.
    `starts` are the phonemes' starts in seconds; the last one ends at `seconds`.
    """
    ends = np.append(starts[1:], seconds)
    centres: list[float] = []
    halves: list[float] = []
    shapes: list[tuple[float, ...]] = []
    for start, end, symbol in zip(starts, ends, phonemes, strict=True):
        targets = _targets(symbol)
        step = (end - start) / len(targets)
        for index, target in enumerate(targets):
            centres.append(start + (index + 0.5) * step)
            halves.append(step / 2)
            shapes.append(target)
    table = np.asarray(shapes)
    moments = (np.arange(frames * _FINE) + 0.5) / (frames * _FINE) * seconds
    away = np.abs(moments[:, None] - np.asarray(centres)) - np.minimum(np.asarray(halves) * 0.6, 0.12)
    pull = table[:, 4] * np.exp(-((np.maximum(away, 0) / _REACH) ** 1.3))
    pull = pull / (pull.sum(axis=1, keepdims=True) + 1e-9)
    mouth = (pull @ table[:, :4]).reshape(frames, _FINE, 4).mean(axis=1)
    mouth[:, 0] *= 1 - np.clip(1.4 * mouth[:, 3] - 0.2, 0, 1)  # pressed lips are closed lips
    return mouth.astype(np.float32)


def stressed(phonemes: Sequence[str]) -> NDArray[np.bool_]:
    """Return which phonemes have primary stress, bool (P,)."""
    return np.array([symbol.startswith(_STRESS) for symbol in phonemes], bool)


def _targets(symbol: str) -> list[tuple[float, ...]]:
    """Return the successive mouth shapes of one phoneme, with dominance; a diphthong has two."""
    targets: list[tuple[float, ...]] = []
    emphasis = 1.15 if symbol.startswith(_STRESS) else 1.0
    for letter in symbol:
        if letter in _VOWELS:
            opening, width, rounding = _VOWELS[letter]
            targets.append((min(opening * emphasis, 1.0), width, rounding, 0.0, emphasis))
        elif letter in _CONSONANTS:
            targets.append(_CONSONANTS[letter])
    return targets or [_TONGUE if symbol else _SILENCE]
