"""Faults: a real server is broken in one way, and nothing may be lost or doubled.

``pytest tests/faults`` runs them all; each module is one fault and says what it proves.

- ``test_worker_killed``: ``kill -9`` of workers, at work and idle.
- ``test_server_killed``: ``kill -9`` of servers with jobs accepted, on SQLite and PostgreSQL.
- ``test_postgres_restarted``: PostgreSQL stopped, crashed and frozen under load.
- ``test_answer_lost``: a connection that breaks while a transaction is being committed.
- ``test_disk_full``: no space for SQLite and for temporary files.
- ``test_clock_jumps``: the wall clock of the server jumps by hours, forward and backward.
- ``test_slow_clients``: hundreds of connections that send or read a byte a second.
- ``test_due_shared``: a server of two killed while 500 due workloads are planned again.
- ``test_second_server``: two servers on one SQLite file.
- ``test_receiver_down``: a receiver of webhooks that is away, and a server killed meanwhile.
- ``test_stopped_at_work``: SIGTERM with jobs that take longer than they are given.

They need Linux, and root for the small disks; PostgreSQL comes as a package of the tests. With
``-s`` they print how long recoveries took.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server on SQLite for the faults that it outlives; nothing is lost or doubled by any."""
    from faults_kit import assert_whole
    from live_server import serving, sqlite_url

    folder = tmp_path_factory.mktemp("outlives")
    with serving(sqlite_url(folder), folder, workers=2, body_timeout_s=4) as server:
        yield server
        assert server.stop() == 0
    assert_whole(server.store_url)
