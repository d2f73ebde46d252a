"""A second server is started on the SQLite file of the first.

Proves that it refuses with one sentence, whatever name the file is given, and that the first goes
on. Fails if two servers work off one file, each taking the other's jobs for those of a dead one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from faults_kit import ended, middling, submitted, worker_of

ROOT = Path(__file__).parents[2]


def started(path: Path) -> subprocess.Popen[str]:
    """Start a server on a file."""
    environment = {"MINFLEET_STORE_URL": f"sqlite:///{path}", "MINFLEET_PORT": "0"}
    return subprocess.Popen(
        [sys.executable, "-m", "minfleet", "serve"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def test_it_refuses_with_one_sentence(server, tmp_path):
    path = Path(server.store_url.removeprefix("sqlite:///"))
    link = tmp_path / "other.db"
    link.symlink_to(path)
    with server.client() as client:
        job_id = submitted(client, middling(30.0))
        worker_of(client, job_id)
        for second in [started(path), started(link)]:
            try:
                said, _ = second.communicate(timeout=60)
            finally:
                second.kill()
            assert second.returncode == 2, said
            assert "another minfleet server uses this store" in said
            assert "Traceback" not in said
            assert len(said.strip().splitlines()) == 1
        job = ended(client, job_id)
        assert [a["ended"] for a in job["attempts"]] == ["answered"]
