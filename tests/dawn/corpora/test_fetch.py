"""Many files over unreliable connections: a server on loopback with the faults of real ones, and SIGKILL."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from dawn import download
from dawn.corpora.fetch import RejectLog, RemoteFile, fetch_all
from dawn.corpora.lfs import addresses_at
from dawn.errors import InputError
from tests.support.repository import REPOSITORY
from tests.support.server import HttpServer

# Runs in a separate process, which is killed.
CHILD = """
import json, sys
from pathlib import Path
from dawn import download
from dawn.corpora.fetch import RemoteFile, fetch_all
from dawn.corpora.lfs import addresses_at
download.PAUSE = 0.0
files = [RemoteFile(*row) for row in json.loads(Path(sys.argv[1]).read_text())]
fetch_all(files, Path(sys.argv[2]), addresses_at([sys.argv[3]]), 2, "videos")
"""


class Storage:
    """A Git LFS server, whose addresses are redirected, as those of real ones."""

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, bytes] = {}  # content by hash
        self.broken: set[str] = set()  # its first response breaks in the middle
        self.corrupt: set[str] = set()
        self.expired: set[str] = set()  # its first request is refused
        self.busy: set[str] = set()  # its first request is answered with a pause
        self.requests: list[tuple[str, int]] = []  # hash and first byte of each request for a file
        self.batches = 0
        self.kill_at: dict[int, subprocess.Popen[bytes]] = {}  # number of a request -> process to kill in its middle
        self.folder = Path()
        self._lock = threading.Lock()

    def batch(self, request: BaseHTTPRequestHandler) -> None:
        self.batches += 1
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        assert body["operation"] == "download" and request.headers["Accept"] == "application/vnd.git-lfs+json"
        objects = []
        for row in body["objects"]:
            if row["oid"] in self.files:
                href = f"{self.address}/objects/{row['oid']}"
                action = {"download": {"href": href, "header": {"X-Pass": "yes"}, "expires_in": 3600}}
                objects.append(row | {"actions": action})
            else:
                objects.append(row | {"error": {"code": 404, "message": "Object does not exist"}})
        self._send(request, 200, json.dumps({"transfer": "basic", "objects": objects}).encode())

    def get(self, request: BaseHTTPRequestHandler) -> None:
        _, folder, oid = request.path.split("/")
        if folder == "objects":
            assert request.headers["X-Pass"] == "yes"
            self._send(request, 302, b"", Location=f"{self.address}/storage/{oid}")
            return
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        with self._lock:
            for refusals, status in ((self.busy, 429), (self.expired, 403)):
                if oid in refusals:
                    refusals.remove(oid)
                    self._send(request, status, b"", **{"Retry-After": "0"})
                    return
            self.requests.append((oid, start))
            victim = self.kill_at.pop(len(self.requests), None)
            cut = victim is not None or (oid in self.broken and start == 0)
        whole = self.files[oid]
        body = whole[::-1] if oid in self.corrupt else whole
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body) - start))
        request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        half = start + (len(body) - start) // 2 if cut else len(body)
        request.wfile.write(body[start:half])
        if victim is not None:
            part = self.folder / ".parts" / f"{oid}.part"
            while not (part.exists() and part.stat().st_size >= half):
                time.sleep(0.002)
            victim.kill()
            victim.wait()
        request.close_connection = True

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def storage(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    storage = Storage()
    with http_server(GET=storage.get, POST=storage.batch) as storage.address:
        yield storage


def _files(count: int) -> tuple[list[RemoteFile], dict[str, bytes]]:
    rng = np.random.default_rng(0)
    files, bodies = [], {}
    for k in range(count):
        body = rng.bytes(int(rng.integers(20_000, 60_000)))
        sha = hashlib.sha256(body).hexdigest()
        bodies[sha] = body
        files.append(RemoteFile(f"clip{k:02d}", f"VideoFlash/clip{k:02d}.flv", len(body), sha))
    return files, bodies


def test_a_corpus_is_fetched_through_faults_and_three_kills(storage: Storage, tmp_path: Path) -> None:
    files, storage.files = _files(60)
    hashes = [file.sha256 for file in files]
    storage.broken, storage.corrupt = set(hashes[0:60:10]), set(hashes[5:60:20])  # 6 and 3 of 60
    storage.expired, storage.busy = set(hashes[2:60:20]), set(hashes[3:60:20])
    missing = {hashes[17], hashes[41]}
    for sha in missing:
        del storage.files[sha]
    storage.folder = tmp_path / "raw"
    (tmp_path / "list.json").write_text(json.dumps([list(file.__dict__.values()) for file in files]))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "list.json"), str(storage.folder), storage.address]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    for request in (12, 30, 50):
        child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        storage.kill_at[request] = child
        assert child.wait(60) == -9
    assert subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, timeout=60).returncode == 0

    rejected = RejectLog(storage.folder).rows
    lost = {file.name for file in files if file.sha256 in storage.corrupt | missing}
    assert set(rejected) == lost and len(lost) == 5
    for file in files:
        if file.name in lost:
            assert not (storage.folder / file.file).exists()
            assert ("404" if file.sha256 in missing else "sha256") in rejected[file.name].reason
        else:
            assert hashlib.sha256((storage.folder / file.file).read_bytes()).hexdigest() == file.sha256
    # Repeated requests resume after the received bytes. Two exceptions: a wrong file, partly received before a kill, is
    # fetched from its beginning once; of the two files in transfer at a kill, one may not have reached the disk.
    starts = {sha: [start for oid, start in storage.requests if oid == sha] for sha in hashes}
    assert all(begun == sorted(begun) for sha, begun in starts.items() if sha not in storage.corrupt)
    assert sum(begun.count(0) > 1 for sha, begun in starts.items() if sha not in storage.corrupt) <= 3
    repeated = Counter(sha for sha, _ in storage.requests)
    repetitions = sum(count - 1 for count in repeated.values())
    assert repetitions <= 6 + 2 * 3 + len(storage.corrupt)  # two files are in transfer at a kill
    assert not (storage.folder / ".parts").exists()

    before = len(storage.requests), storage.batches
    assert subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    assert (len(storage.requests), storage.batches) == before  # complete: no network is used


def test_unavailable_files_are_not_rejected(storage: Storage, tmp_path: Path) -> None:
    files, storage.files = _files(3)

    def addresses(batch: object) -> dict[str, object]:
        from dawn.corpora.fetch import Address

        real = addresses_at([storage.address])(files)
        return dict(real) | {"clip01": Address("http://127.0.0.1:1/absent")}

    with pytest.raises(download.Unavailable, match="1 of 3 files are still to come"):
        fetch_all(files, tmp_path, addresses, 1, "videos")
    assert (tmp_path / files[2].file).is_file()
    assert RejectLog(tmp_path).rows == {}
    assert fetch_all(files, tmp_path, addresses_at([storage.address]), 1, "videos") == []


def test_a_second_server_is_used_for_files_that_the_first_lacks(storage: Storage, tmp_path: Path) -> None:
    files, storage.files = _files(2)
    servers = ["http://127.0.0.1:1/gone.git", storage.address]
    assert fetch_all(files, tmp_path, addresses_at(servers), 1, "videos") == []
    with pytest.raises(download.Unavailable, match="no usable answer"):
        fetch_all(files, tmp_path / "b", addresses_at(servers[:1]), 1, "videos")


def test_a_small_disk_is_an_input_error_before_the_first_request(storage: Storage, tmp_path: Path) -> None:
    huge = RemoteFile("clip", "clip.flv", 10**18, "0" * 64)
    with pytest.raises(InputError, match=r"needs 1000000000\.0 GB"):
        fetch_all([huge], tmp_path, addresses_at([storage.address]), 1, "videos")
    assert storage.batches == 0
