"""Receivers of notices for tests: over HTTP, with moods; every webhook's signature is verified."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """A receiver on loopback; `mood` decides what becomes of a request.

    ``well``: taken, 200. ``slow``: nothing is answered for `slow_s`, and nothing is taken. A number
    is the status of the answer. While it is not started, connections are refused.
    """

    secret: str | None = None
    mood: str | int = "well"
    slow_s: float = 3.0
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[dict[str, Any]] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def start(self) -> Receiver:
        """Listen, at the same port as before."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks/SECRET-PATH"

    @property
    def ids(self) -> Counter[str]:
        """How often each id was taken."""
        return Counter(t["headers"].get("webhook-id", "") for t in self.taken)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        headers = {k.lower(): v for k, v in request.headers.items()}
        if self.secret is not None:
            Webhook(self.secret).verify(raw, headers)
        mood = self.mood
        self.tries[str(mood)] += 1
        if mood == "slow":
            time.sleep(self.slow_s)
            return
        if mood == "well":
            self.taken.append({"headers": headers, "body": json.loads(raw), "path": request.path})
        request.send_response(200 if mood == "well" else int(mood))
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"ok")
