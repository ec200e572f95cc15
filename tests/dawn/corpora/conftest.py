"""What tests of fetched corpora share: a site of videos, and a real video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dawn import download
from tests.support.server import HttpServer
from tests.support.video_site import Site


@pytest.fixture
def site(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site of videos; downloads do not pause between tries."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    site = Site()
    with http_server(GET=site.respond, HEAD=site.respond) as site.address:
        yield site


@pytest.fixture(scope="module")
def video(real: Path) -> bytes:
    """A minute of a real speaker, with sound."""
    return (real / "clips/hdtf_WDA_TedLieu_256_60s.mp4").read_bytes()
