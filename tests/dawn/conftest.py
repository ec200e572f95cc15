"""What tests of downloads and weights share: an empty store, a publisher, and a registry of its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dawn import download, weights
from tests.support.publisher import BODY, SHA, Publisher, Register
from tests.support.server import HttpServer


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of weights, without the folders of other libraries."""
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    return tmp_path / "store"


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Replaces the registry of weights by the given entries (name=values)."""

    def replace(**entries: dict[str, object]) -> None:
        common = {"what": "a test", "for": ["tests"], "terms": "none", "sha256": SHA}
        registry = {name: weights.Entry.model_validate(common | values) for name, values in entries.items()}
        monkeypatch.setattr(weights, "registry", lambda: registry)

    return replace


@pytest.fixture
def publisher(http_server: HttpServer, store: Path, register: Register) -> Iterator[Publisher]:
    """A publisher, and a registry of the single file `net` that it serves."""
    publisher = Publisher()
    with http_server(GET=publisher.answer) as publisher.address:
        register(net={"url": f"{publisher.address}/net.pth", "size": len(BODY)})
        yield publisher
