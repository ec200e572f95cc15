"""A site of videos on loopback, with the faults of real ones."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler


class Site:
    """Serves `files`, and records the requests."""

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, bytes] = {}
        self.refusals: dict[str, list[int]] = {}  # status of the first responses
        self.broken: set[str] = set()  # the first response with the video breaks
        self.kill_at: dict[str, subprocess.Popen[bytes]] = {}  # video -> process to kill in its middle
        self.requests: list[tuple[str, int]] = []  # video and first byte of each request
        self.since = 0  # index of the first request of the current process
        self.sent: Counter[str] = Counter()  # bytes
        self.cookies: list[str] = []
        self._lock = threading.Lock()

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rsplit("/", 1)[1]
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        with self._lock:
            self.requests.append((name, start))
            self.cookies.append(request.headers.get("Cookie") or "")
            status = self.refusals[name].pop(0) if self.refusals.get(name) else 200 if name in self.files else 404
            if status != 200:
                request.send_response(status)
                request.send_header("Retry-After", "0")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        body = self.files[name]
        if start >= len(body):  # all of it was received before a kill
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", "text/plain" if name.endswith(".txt") else "video/mp4")
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Length", str(len(body) - start))
        request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        if request.command == "HEAD":
            return
        with self._lock:
            first = (
                sum(requested == name for requested, _ in self.requests[self.since :]) == 2
            )  # the request before is for the page
            victim = self.kill_at.pop(name, None) if first else None
            stops = victim is not None or (first and name in self.broken)
            if stops:
                self.broken.discard(name)
        end = start + (len(body) - start) // 2 if stops else len(body)
        request.wfile.write(body[start:end])
        self.sent[name] += end - start
        if victim is not None:
            time.sleep(0.3)  # until the received bytes are on the disk
            victim.kill()
            victim.wait()
        request.close_connection = True
