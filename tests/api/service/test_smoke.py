"""A server that runs answers."""

from __future__ import annotations

from live_server import serving, small


def test_a_plan_comes_back_and_is_found_again(store_url, tmp_path):
    with serving(store_url, tmp_path) as server, server.client() as client:
        first = client.post("/v1/plans", json=small())
        assert first.status_code == 200
        assert first.json()["status"] == "optimal"
        assert first.headers["Minfleet-Cache"] == "miss"
        again = client.post("/v1/plans", json=small())
        assert again.headers["Minfleet-Cache"] == "hit"
        assert again.content == first.content
        assert client.get(first.headers["Content-Location"]).content == first.content
        assert server.stop() == 0
