"""Where tests find real material; absent material is a skip that says so."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
MATERIAL = Path(os.environ.get("DAWN_TEST_MATERIAL", REPOSITORY.parent / "shared"))


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
    return _folder("reference")


@pytest.fixture(scope="session")
def recipe(reference: Path) -> ModuleType:
    """The recipe that rebuilds weights and inputs of the golden vectors."""
    spec = importlib.util.spec_from_file_location("recipe", reference / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def metric_vectors() -> Path:
    """Numbers of the canonical metric implementations."""
    return _folder("metrics")
