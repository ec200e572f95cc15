"""Where tests find the golden vectors, and real material, whose absence is a skip that says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import golden
from tests.support.repository import MATERIAL


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
    return golden.FOLDER


@pytest.fixture(scope="session")
def recipe() -> ModuleType:
    """The recipe that rebuilds weights and inputs of the golden vectors."""
    return golden


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features of measured videos stay out of the user's cache, and come from none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAWN_EVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
