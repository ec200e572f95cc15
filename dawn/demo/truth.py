"""What was said and shown in a clip of the demo corpus, exactly: the file each of its clips is drawn from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file, safe_open, save_file

from dawn.demo.motion import FPS, Motion
from dawn.demo.speech import SAMPLE_RATE, Speech
from dawn.errors import InputError
from dawn.media.files import atomic_path

_MOTION = tuple(field.name for field in fields(Motion))


@dataclass(frozen=True)
class Truth:
    """One clip: who (the seed of the corpus and the number of the person), what was said, and how it moved."""

    seed: int
    index: int
    speech: Speech
    motion: Motion

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.safetensors` file: audio (T,), phoneme_starts (P,) seconds, a tensor for each motion track."""
        tensors = {name: getattr(self.motion, name) for name in _MOTION}
        tensors |= {"audio": self.speech.audio, "phoneme_starts": self.speech.starts}
        about = {
            "seed": self.seed,
            "person": self.index,
            "text": self.speech.text,
            "phonemes": self.speech.phonemes,
            "fps": FPS,
            "sample_rate": SAMPLE_RATE,
        }
        with atomic_path(Path(path)) as aside:  # one metadata key: the order of several is not fixed
            save_file(tensors, aside, metadata={"truth": json.dumps(about, ensure_ascii=False)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Truth:
        """Read what `save` wrote. Raises InputError when the file is missing or is something else."""
        try:
            tensors = load_file(path)
            with safe_open(path, framework="numpy") as opened:
                about = json.loads((opened.metadata() or {})["truth"])
            motion = Motion(**{name: tensors[name] for name in _MOTION})
            speech = Speech(about["text"], tensors["audio"], tensors["phoneme_starts"], tuple(about["phonemes"]))
            return cls(about["seed"], about["person"], speech, motion)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(
                f"{path}: not the truth of a demo clip ({error.__class__.__name__}); prepare the corpus again"
            ) from None
