"""Hundreds of connections that send or read a byte now and then.

Proves that slow clients cost others nothing: health and plans are answered quickly beside them.
Bodies that do not arrive are answered with 408; heads that do not arrive, and readers that do not
read, are cut off. When they are gone, memory and open files are what they were. Fails if a slow
client holds a thread, a worker or, for longer than it may, a connection.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from contextlib import suppress

import psutil
from faults_kit import asking, until
from live_server import small

COUNTS = {"body": 130, "head": 60, "reader": 10}
"""200 connections, by what they are slow at."""

SENDERS = Counter({kind: COUNTS[kind] for kind in ("body", "head")})

TIMEOUT_S = 4.0
"""As the server is set."""

POOL_FILES = 40
"""Files that connections to the store may hold open, three each."""

POST = b"POST /v1/plans HTTP/1.1\r\nContent-Length: 5000\r\nHost: 127.0.0.1\r\n\r\n"
GET = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

FIRST = {"body": POST, "head": POST.removesuffix(b"\r\n\r\n"), "reader": 40 * GET}
"""What each sends at once. Readers ask for some megabytes, which no buffers hold."""

PAUSE_S = 0.3
"""Between two bytes; a second would only make the test longer."""


class SlowClients:
    """Connections that are served a byte at a time, by one thread, until they are cut."""

    def __init__(self, server):
        host, port = server.url.removeprefix("http://").split(":")
        self._address = (host, int(port))
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.connected, self.cut, self.answers = 0, Counter(), Counter()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._leave.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _connect(self, kind):
        found = socket.socket()
        if kind == "reader":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        found.connect(self._address)
        found.sendall(FIRST[kind])
        found.setblocking(False)
        self.connected += 1
        return found

    def _work(self):
        open_ = {self._connect(kind): kind for kind, n in COUNTS.items() for _ in range(n)}
        received = dict.fromkeys(open_, b"")
        while open_ and not self._leave.wait(PAUSE_S):
            for connection, kind in list(open_.items()):
                try:
                    with suppress(BlockingIOError):
                        data = connection.recv(65_536 if kind in SENDERS else 1)
                        received[connection] += data
                        if not data:
                            raise ConnectionResetError
                    if kind in SENDERS:
                        connection.send(b"x")
                except (ConnectionResetError, BrokenPipeError):
                    self.cut[kind] += 1
                    if kind in SENDERS:
                        self.answers[kind, received[connection]] += 1
                    connection.close()
                    del open_[connection]
        for connection in open_:
            connection.close()


def test_slow_clients_cost_others_nothing(server):
    memory = []
    with server.client() as client:
        assert client.get("/openapi.json").status_code == 200
        assert client.post("/v1/plans", json=small(50.0)).status_code == 200
        process = psutil.Process(server.process.pid)
        files, sockets = process.num_fds(), len(process.net_connections())
        for first in (60.0, 70.0):
            with asking(server, "/healthz") as health, SlowClients(server) as slow:
                until(lambda: slow.connected == sum(COUNTS.values()), "connections")
                longest_s = 0.0
                for n in range(10):
                    begin = time.monotonic()
                    plan = client.post("/v1/plans", json=small(first + n))
                    assert plan.status_code == 200
                    longest_s = max(longest_s, time.monotonic() - begin)
                until(lambda: slow.cut >= SENDERS, "the end of the slow")
                # Readers still hold their ends; the server let go of its own.
                until(lambda: len(process.net_connections()) <= sockets + 1, "the last reader")
            print(f"longest: health {health.longest_s:.2f} s, plan {longest_s:.2f} s")
            assert set(health.statuses) == {200}
            assert max(longest_s, health.longest_s) < TIMEOUT_S
            for kind, answer in slow.answers:
                head, _, body = answer.partition(b"\r\n\r\n")
                if kind == "head":
                    assert answer == b""
                else:
                    assert head.startswith(b"HTTP/1.1 408 ")
                    assert b"connection: close" in head.lower()
                    assert json.loads(body)["detail"] == "the body did not arrive within 4 s."
            memory.append(process.memory_info().rss / 2**20)
        assert process.num_fds() < files + POOL_FILES
    print(f"memory after each wave: {memory[0]:.0f} and {memory[1]:.0f} MiB")
    assert memory[1] - memory[0] < 10
