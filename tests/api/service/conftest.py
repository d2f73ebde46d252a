"""A server that the tests of a session share, for all that does not change what is in force."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from live_server import LiveServer, serving, small, sqlite_url

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the shipped catalogue in force; plans and jobs are everybody's."""
    folder = tmp_path_factory.mktemp("shared")
    with serving(sqlite_url(folder), folder, page=True) as server:
        yield server


@pytest.fixture(scope="session")
def client(shared: LiveServer) -> Iterator[httpx.Client]:
    """A client of the shared server; what it gets is held against OpenAPI."""
    from service_kit import checked

    with checked(shared) as connected:
        yield connected


@pytest.fixture(scope="session")
def plan(client: httpx.Client) -> dict[str, Any]:
    """A stored plan."""
    answer = client.post("/v1/plans", json=small(3.25))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture(scope="session")
def quotes() -> list[dict[str, Any]]:
    """Two offers of our own, one a good deal cheaper than any that ships."""
    common = {"provider": "acme", "region": "eu", "gpus_per_node": 1, "pricing": "on_demand"}
    seen = {"observed_at": "2026-11-01", "source": "quote 4711"}
    h100 = {"offer_id": "acme/eu/h100", "accelerator": "h100_sxm", "price_per_node_hour_usd": 0.9}
    l40s = {"offer_id": "acme/eu/l40s", "accelerator": "l40s", "price_per_node_hour_usd": 0.7}
    return [{**common, **h100, **seen}, {**common, **l40s, **seen}]
