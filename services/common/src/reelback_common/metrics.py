"""The server of Prometheus metrics: a few connections at a time, none of them for long."""

from __future__ import annotations

import io
import socket
import socketserver
import threading
import time
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

SLOTS = 8
"""Connections that are answered at a time, each by a thread; one too many is closed at once."""

READ_SECONDS = 2.0
"""How long a request may take to arrive, in however many pieces."""


def serve(host: str, port: int) -> WSGIServer:
    """Serve /metrics from a thread until `shutdown()` of what is returned. OSError for a port in use."""
    server = make_server(host, port, make_wsgi_app(), _Server, _Handler)
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
    return server


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._slots = threading.BoundedSemaphore(SLOTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off says nothing about the process."""


class _Handler(WSGIRequestHandler):
    timeout = READ_SECONDS

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Until(self.connection, time.monotonic() + self.timeout))

    def log_message(self, format: str, *args: Any) -> None:
        """Every scrape would be a line."""


class _Until(io.RawIOBase):
    """What comes on a connection until then; TimeoutError from then on. A socket's own timeout is one of each piece."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection = connection
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
