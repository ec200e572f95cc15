"""The file of a clip's features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.features.store import Features


def random_features(frames: int = 4) -> Features:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "blendshapes": (52,)}
    shapes |= {"speech": (8,), "mfcc": (4, 13), "face_box": (4,), "mouth_box": (4,)}
    arrays = {name: rng.normal(size=(frames, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return Features(**arrays, found=np.ones(frames, bool), extractor="test", encoder="logmel", fps=25)


def test_unusable_files_are_input_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match="no such file"):
        Features.load(path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="damaged"):
        Features.load(path)
    good = random_features()
    cases = {
        "'pose'": replace(good, pose=good.pose[:, :5]),
        "'blink'": replace(good, blink=good.blink[:3]),
    }
    for message, features in cases.items():
        features.save(path)
        with pytest.raises(InputError, match=message):
            Features.load(path)
    with pytest.raises(InputError, match="'speech' has values that are not finite"):
        replace(good, speech=good.speech * np.float32("nan")).save(path)
    good.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="damaged"):
        Features.load(path)
