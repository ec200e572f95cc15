"""Fixtures and marks that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.repository import MATERIAL
from tests.support.server import HttpServer, serve

# Marks that follow from a fixture; `slow` and `gpu` are written at the test.
MARK_OF_FIXTURE = {"real": "real", "http_server": "network"}
# Files of tests whose processes are forked from the same server, of tests.support.programs and tests.support.forked.
SERVERS = {
    "programs": ("tests/workflow/", "tests/docs/test_how_to", "tests/eval/metrics/test_registry.py"),
    "forked": ("tests/dawn/training/", "tests/dawn/features/"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures, skip those of a GPU on machines without one, and put files with slow tests first.

    Processes that share the tests by files end together only if none of them begins a slow file last.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARK_OF_FIXTURE:
                item.add_marker(MARK_OF_FIXTURE[fixture])
        if item.get_closest_marker("gpu"):
            import torch

            item.add_marker(pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than cores, up to 4: tests of servers and of killed processes wait a tenth of the time."""
    return min(len(os.sched_getaffinity(0)) + 1, 4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Distribute tests by file; files that share a server go to one worker, since it imports libraries for seconds."""
    return _LoadFilesOfServers(config, log)


class _LoadFilesOfServers(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        path = super()._split_scope(nodeid)
        return next((server for server, users in SERVERS.items() if path.startswith(users)), path)


@pytest.fixture(scope="session")
def real() -> Path:
    """Folder of real clips, portraits, speech and small weights; skips the test where it is absent."""
    folder = MATERIAL / "real"
    if not folder.is_dir():
        pytest.skip(f"test material absent: {folder} (set DAWN_TEST_MATERIAL)")
    return folder


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of the golden vectors of the published networks."""
    from tests.support import golden

    return golden.FOLDER


@pytest.fixture(scope="session")
def recipe() -> ModuleType:
    """Module that rebuilds weights and inputs of the golden vectors."""
    from tests.support import golden

    return golden


@pytest.fixture(scope="session")
def http_server() -> HttpServer:
    """Starts HTTP servers on loopback; see :func:`tests.support.server.serve`."""
    return serve


@pytest.fixture(scope="session", autouse=True)
def _feature_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point the cache of video features to a temporary folder instead of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAWN_EVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
