"""HTTP servers on loopback."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What the fixture `http_server` gives: the signature of `serve`.
HttpServer = Callable[..., AbstractContextManager[str]]


@contextlib.contextmanager
def serve(**handlers: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Run a server whose `handlers` (GET=..., POST=...) answer requests; yields its address.

    Connections that clients break, because a test killed them, are no errors.
    """

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *values: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    for method, handler in handlers.items():
        setattr(Handler, f"do_{method}", lambda request, handler=handler: handler(request))
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
