"""Where tests find the golden vectors, and real material, whose absence is a skip that says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import golden_recipe
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features.store import Features

REPOSITORY = Path(__file__).resolve().parent.parent
MATERIAL = Path(os.environ.get("DAWN_TEST_MATERIAL", REPOSITORY.parent / "shared"))


def features_of(frames: int, **given: NDArray[np.float32]) -> Features:
    """Features of a clip in which every frame has a face: those `given`, and zeros."""
    shapes = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "speech": (0,), "face_box": (4,), "mouth_box": (4,)}
    arrays = {name: np.zeros((frames, *shape), np.float32) for name, shape in shapes.items()}
    return Features(**arrays | given, found=np.ones(frames, np.bool_), extractor="test", encoder="none", fps=25.0)


def _folder(name: str) -> Path:
    folder = MATERIAL / name
    if not folder.is_dir():
        pytest.skip(f"test material absent: {folder} (set DAWN_TEST_MATERIAL)")
    return folder


@pytest.fixture(scope="session")
def real() -> Path:
    """Real clips, portraits, speech and small weights."""
    return _folder("real")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Golden vectors of the published networks."""
    return golden_recipe.FOLDER


@pytest.fixture(scope="session")
def recipe() -> ModuleType:
    """The recipe that rebuilds weights and inputs of the golden vectors."""
    return golden_recipe


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features of measured videos stay out of the user's cache, and come from none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAWN_EVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
