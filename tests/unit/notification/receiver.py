"""A provider: takes webhooks over real HTTP, keeps them, and answers as told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SECRET = "a secret of thirty-two characters"


@dataclass
class Receiver:
    """`posts` are the ids and contents of what was posted, with a good signature; `status` is the answer to all."""

    url: str = ""
    status: int = 200
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def take(self, headers: Any, body: bytes) -> None:
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        self.posts.append((headers["webhook-id"], json.loads(body)))

    @property
    def ids(self) -> list[str]:
        return [message_id for message_id, _ in self.posts]


@contextmanager
def listening() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = receiver.status
            try:
                receiver.take(self.headers, self.rfile.read(int(self.headers["content-length"])))
            except Exception:
                status = 400  # a bad signature, which fails the message, and so the test
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        receiver.url = f"http://127.0.0.1:{http.server_address[1]}/hook?token=1"
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            http.shutdown()
            thread.join()
