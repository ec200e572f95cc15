"""Ground truth of a demo clip: speech and motion, in the file that its frames are rendered from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields

from dawn.demo.motion import FPS, Motion
from dawn.demo.speech import SAMPLE_RATE, Speech
from dawn.errors import InputError
from dawn.media.tensor_files import load_arrays, save_arrays

_MOTION = tuple(field.name for field in fields(Motion))


@dataclass(frozen=True)
class GroundTruth:
    """Speech and motion of one clip, and its person, given by the corpus' seed and the person's number.

    `variety` is that of the corpus (``corpus.demo.variety``); of a wide one, the utterance's number gives the scene.
    """

    seed: int
    index: int
    speech: Speech
    motion: Motion
    variety: str = "plain"
    utterance: int = 0

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a ``.safetensors`` file: audio (T,), phoneme_starts (P,) in seconds, and a tensor per motion track."""
        arrays = {name: getattr(self.motion, name) for name in _MOTION}
        arrays |= {"audio": self.speech.audio, "phoneme_starts": self.speech.starts}
        description: dict[str, object] = {
            "seed": self.seed,
            "person": self.index,
            "text": self.speech.text,
            "phonemes": self.speech.phonemes,
            "fps": FPS,
            "sample_rate": SAMPLE_RATE,
        }
        if self.variety != "plain":
            description |= {"variety": self.variety, "utterance": self.utterance}
        save_arrays(path, arrays, "truth", json.dumps(description, ensure_ascii=False))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GroundTruth:
        """Read a file that :meth:`save` wrote. Raises InputError when it is missing or of another kind."""
        try:
            arrays, description = load_arrays(path, "truth")
            motion = Motion(**{name: arrays[name] for name in _MOTION})
            phonemes = tuple(description["phonemes"])
            speech = Speech(description["text"], arrays["audio"], arrays["phoneme_starts"], phonemes)
            scene = description.get("variety", "plain"), description.get("utterance", 0)
            return cls(description["seed"], description["person"], speech, motion, *scene)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: not the ground truth of a demo clip ({error.__class__.__name__}); prepare the corpus again"
            ) from None
