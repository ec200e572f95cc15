"""Where tests find the golden vectors, and real material, whose absence is a skip that says so."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@contextlib.contextmanager
def served(**answers: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server on loopback that lets `answers` ("GET", ...) answer; their clients may be killed."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *values: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    for method, answer in answers.items():
        setattr(Handler, f"do_{method}", lambda request, answer=answer: answer(request))
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def copy_repository(place: Path, without: tuple[str, ...] = ()) -> None:
    """Copy what the repository tracks, or would, to `place`, but for paths that begin with one of `without`."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file() and not name.startswith(without):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, place / name)


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
