"""Sampler of the speech encoder: segments of synthesised utterances, with the phoneme of each row of the encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch import Tensor

from dawn.corpora.manifest import Clip
from dawn.demo.acoustics import draw_acoustics, record
from dawn.demo.speech import SAMPLE_RATE, Speech
from dawn.demo.truth import GroundTruth
from dawn.training.batch_shard import BatchShard, collate

STRIDE, REACH = 320, 400  # samples of sound from one row of the encoder to the next, and those that a row depends on
SILENCE, OTHER = "", "other"  # the first and the last class
_STRESS = str.maketrans("", "", "ˈˌ")  # IPA marks
_RARE = 1 / 500  # phonemes of a smaller share are in the class OTHER
_COUNTED = 1000  # clips, at most, from which that share is estimated
_TALKERS = 3  # other utterances that speak at once, as noise
_TILT = (-0.5, 0.7)  # coefficients of a filter of one delay: from a dull to a sharp sound


class SpeechBatch(NamedTuple):
    """Segments of b utterances."""

    sound: Tensor  # (b, T) with mean 0 and variance 1
    phonemes: Tensor  # (b, rows) number of the class


class Utterances:
    """Ground truths of clips of the embedded corpus, read when they are needed: memory hardly grows with the corpus.

    `root` is the folder that the clips' sources are relative to.
    """

    def __init__(self, clips: Sequence[Clip], root: Path) -> None:
        self._sources = np.asarray([clip.source for clip in clips], np.bytes_)
        self._root = root

    def __len__(self) -> int:
        return len(self._sources)

    def truth(self, index: int) -> GroundTruth:
        """Read a ground truth. Raises InputError when it is missing or damaged."""
        return GroundTruth.load(self._root / bytes(self._sources[index]).decode())


class Phonemes:
    """Classes of phonemes without stress: silence, those that are common, and one for the others.

    names: of the classes, in their order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._number = {name: number for number, name in enumerate(self.names)}

    @classmethod
    def of(cls, utterances: Utterances) -> Phonemes:
        """Count the phonemes of utterances that are spread over the corpus."""
        counts: Counter[str] = Counter()
        for index in np.unique(np.linspace(0, len(utterances) - 1, _COUNTED).astype(int)).tolist():
            counts.update(symbol.translate(_STRESS) for symbol in utterances.truth(index).speech.phonemes if symbol)
        common = [symbol for symbol, count in counts.items() if count >= _RARE * counts.total()]
        return cls([SILENCE, *sorted(common), OTHER])

    def of_rows(self, speech: Speech, start: int, rows: int) -> NDArray[np.int64]:
        """Return the class (rows,) in the middle of each row of the encoder; the first begins at sample `start`."""
        last = len(self.names) - 1
        classes = [self._number.get(symbol.translate(_STRESS), last) for symbol in speech.phonemes]
        times = (start + STRIDE * np.arange(rows) + REACH / 2) / SAMPLE_RATE
        place = np.searchsorted(speech.starts, times, side="right") - 1
        return np.asarray(classes, np.int64)[np.maximum(place, 0)]


class SpeechSampler:
    """Sampler of segments of at most `length` samples, as if recorded elsewhere (:func:`rerecorded`).

    All clips of a corpus of drawn people have equal lengths.
    """

    def __init__(self, utterances: Utterances, phonemes: Phonemes, length: int) -> None:
        self.utterances = utterances
        self.phonemes = phonemes
        self.length = length

    def __call__(self, shard: BatchShard) -> SpeechBatch:
        """Draw the segments of a shard."""
        return collate(self._segment(generator) for generator in shard.generators())

    def _segment(self, generator: torch.Generator) -> SpeechBatch:
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        speech, start = self._draw(rng)
        sound = rerecorded(self._cut(speech, start), lambda: self._cut(*self._draw(rng)), rng)
        classes = self.phonemes.of_rows(speech, start, rows_of(len(sound)))
        return SpeechBatch(torch.from_numpy(normalised(sound)), torch.from_numpy(classes))

    def _draw(self, rng: np.random.Generator) -> tuple[Speech, int]:
        """Draw an utterance and the first sample of a segment."""
        speech = self.utterances.truth(int(rng.integers(len(self.utterances)))).speech
        return speech, int(rng.integers(max(0, len(speech.audio) - self.length) + 1))

    def _cut(self, speech: Speech, start: int) -> NDArray[np.float32]:
        return speech.audio[start : start + self.length]


def rows_of(samples: int) -> int:
    """Return the number of rows that the encoder computes from sound."""
    return max(0, (samples - REACH) // STRIDE + 1)


def normalised(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale sound (T,) to mean 0 and variance 1, as the processor of the encoder does."""
    return np.asarray((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7), np.float32)


def rerecorded(
    sound: NDArray[np.float32], other: Callable[[], NDArray[np.float32]], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change sound (T,) as another room, microphone, noise and voice's timbre would; nothing is moved in time.

    `other` draws sound of another utterance, of the same length, for the noise of people who speak at once.
    """
    if not sound.any():
        return sound
    if rng.random() < 0.5:
        sound = np.asarray(lfilter([1, -rng.uniform(*_TILT)], [1], sound), np.float32)
    acoustics = draw_acoustics(rng)
    babble = np.sum([other() for _ in range(_TALKERS)], axis=0) if acoustics.noise == "babble" else None
    return record(sound, acoustics, babble)
