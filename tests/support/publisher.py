"""A publisher of one file, for a server on loopback: its connections break and its answers vary as real ones do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(BODY).hexdigest()

Register = Callable[..., None]  # what the fixture `register` gives: replaces the registry of weights by entries


@dataclass
class Publisher:
    """How each request is answered: by default with the whole file, or with the requested range."""

    address: str = ""
    body: bytes = BODY
    etag: str = '"first"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes of the responses' bodies, one item per response
    refuse: list[tuple[int, str]] = field(default_factory=list)  # status and Retry-After, one item per response
    redirect: bool = False
    requests: list[str | None] = field(default_factory=list)  # the Range of each request

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        byte_range = request.headers.get("Range")
        if self.redirect and not request.path.startswith("/elsewhere"):
            request.send_response(302)
            request.send_header("Location", f"{self.address}/elsewhere{request.path}")
            request.end_headers()
            return
        self.requests.append(byte_range)
        if self.refuse:
            status, pause = self.refuse.pop(0)
            request.send_response(status)
            request.send_header("Retry-After", pause)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = int(byte_range.removeprefix("bytes=").removesuffix("-")) if byte_range and self.ranges else 0
        if request.headers.get("If-Range") not in (None, self.etag):
            start = 0
        if start >= len(self.body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        request.send_header("Content-Length", str(len(self.body) - start))
        request.send_header("ETag", self.etag)
        request.end_headers()
        rest = self.body[start:]
        request.wfile.write(rest[: self.break_after.pop(0)] if self.break_after else rest)
        request.close_connection = True
