"""The disk of an SQLite store runs full, and that of temporary files.

Proves that a full disk is told, 503 with one sentence and ``Retry-After``, and loses nothing: what
is stored is read on, the file stays sound, a job that was at work is recorded as soon as there is
space, and the server goes on without a restart. Fails if an error of the disk leaves as 500, a
half-written transaction stays, or a result is thrown away.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from faults_kit import (
    asking,
    assert_whole,
    ended,
    job_of,
    middling,
    started,
    submitted,
    until,
    worker_of,
)
from live_server import small, sqlite_url

OFFER = {
    "offer_id": "quote",
    "provider": "quote",
    "region": "eu",
    "accelerator": "h100_sxm",
    "gpus_per_node": 8,
    "price_per_node_hour_usd": 15.2,
    "pricing": "on_demand",
    "observed_at": "2026-11-01",
    "source": "a quote",
}


@contextmanager
def small_disk(megabytes):
    """Mount a file system of a few megabytes."""
    # Sockets stand in it, whose paths may have 107 characters: pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="disk-", dir="/tmp") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode:
            why = f"a small file system cannot be mounted: {done.stderr.strip()}"
            if os.environ.get("MINFLEET_REQUIRE_OPTIONAL_TESTS"):
                pytest.fail(why)
            pytest.skip(why)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(folder):
    """Leave no byte free while the context lasts."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    yield
    ballast.unlink()


def is_sound(store: Path) -> bool:
    """Whether SQLite finds no fault in a file."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def disks(monkeypatch):
    """File systems for the store and for temporary files."""
    with small_disk(6) as store, small_disk(1) as temporary:
        monkeypatch.setenv("TMPDIR", str(temporary))
        yield store, temporary


def test_a_full_disk_is_told_and_costs_nothing(disks, tmp_path):
    disk, temporary = disks
    url = sqlite_url(disk)
    with (
        started(url, tmp_path) as server,
        server.client() as client,
        asking(server, "/healthz") as health,
    ):
        server.until_ready()
        # A snapshot that no worker can be given: the job waits for space, and is not refused.
        with full(temporary):
            waits = submitted(client, {**small(2.0), "offers": [OFFER]})
            until(lambda: "trying again" in server.log_path.read_text(), "the first try")
            assert job_of(client, waits)["state"] == "running"
        assert ended(client, waits)["state"] == "done"

        kept = client.post("/v1/plans", json=small(3.0))
        at_work = submitted(client, middling(3.0))
        worker_of(client, at_work)
        with full(disk):
            accepted, refused = [], None
            for number in range(200):
                answer = client.post(
                    "/v1/plans", json=small(10.0 + number), headers={"Prefer": "respond-async"}
                )
                if answer.status_code != 202:
                    refused = answer
                    break
                accepted.append(answer.json()["id"])
            assert refused is not None
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["Retry-After"] == "5"
            said = "the store cannot be used: database or disk is full."
            assert refused.json()["detail"] == said
            print(f"{len(accepted)} jobs were accepted before the disk was full")

            tries = server.log_path.read_text().count("trying again")
            until(lambda: server.log_path.read_text().count("trying again") > tries, "a result")
            assert job_of(client, at_work)["state"] == "running"
            until(lambda: client.get("/readyz").status_code == 503, "readiness")
            assert client.get("/readyz").json()["detail"] == said
            assert client.get(kept.headers["Content-Location"]).content == kept.content
            hit = client.post("/v1/plans", json=small(3.0))
            assert (hit.status_code, hit.content) == (200, kept.content)
            assert is_sound(disk / "store.db")

        for job_id in (at_work, *accepted):
            job = ended(client, job_id)
            assert job["state"] == "done"
            assert [a["ended"] for a in job["attempts"]] == ["answered"]
        assert client.post("/v1/plans", json=small(300.0)).status_code == 200
        until(lambda: client.get("/readyz").status_code == 200, "readiness")
    assert set(health.statuses) == {200}
    assert health.longest_s < 5
    assert is_sound(disk / "store.db")
    assert_whole(url, dict.fromkeys([waits, at_work, *accepted]))
