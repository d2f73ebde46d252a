"""``/metrics``: every family is there, and what happens moves it."""

from __future__ import annotations

from live_server import small
from service_kit import families, problem, until

FAMILIES = {
    "minfleet_requests": "counter",
    "minfleet_request_seconds": "histogram",
    "minfleet_jobs": "counter",
    "minfleet_job_seconds": "histogram",
    "minfleet_plans": "counter",
    "minfleet_solve_seconds": "histogram",
    "minfleet_plan_gap": "histogram",
    "minfleet_answers": "counter",
    "minfleet_queue_jobs": "gauge",
    "minfleet_workers": "gauge",
    "minfleet_worker_deaths": "counter",
    "minfleet_refusals": "counter",
    "minfleet_replannings": "counter",
    "minfleet_replanning_delay_seconds": "histogram",
    "minfleet_due_workloads": "gauge",
    "minfleet_deliveries": "counter",
    "minfleet_deliveries_waiting": "gauge",
    "minfleet_catalog_refreshes": "counter",
    "minfleet_catalog_refreshed_timestamp_seconds": "gauge",
}


def test_the_families(client):
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    types = dict(
        line.split(" ")[2:4] for line in answer.text.splitlines() if line.startswith("# TYPE")
    )
    found = {n.removesuffix("_total"): k for n, k in types.items()}
    assert found == FAMILIES


def moved(client, before: dict[str, float], name: str) -> float:
    return families(client).get(name, 0.0) - before.get(name, 0.0)


def test_they_move(client):
    client.get("/metrics")
    before = families(client)
    client.post("/v1/plans", json=small(40.0))
    client.post("/v1/plans", json=small(40.0))
    problem(client.post("/v1/plans", json={"model": "x"}), "invalid")
    for name in (
        'minfleet_requests_total{method="POST",route="/v1/plans",status="422"}',
        'minfleet_jobs_total{kind="plan",state="done"}',
        'minfleet_job_seconds_count{kind="plan"}',
        'minfleet_plans_total{status="optimal"}',
        'minfleet_answers_total{source="store"}',
        'minfleet_answers_total{source="solved"}',
        'minfleet_refusals_total{kind="invalid"}',
        "minfleet_plan_gap_count",
    ):
        assert moved(client, before, name) == 1, name
    requests = 'minfleet_requests_total{method="POST",route="/v1/plans",status="200"}'
    assert moved(client, before, requests) == 2
    stages = [n for n in families(client) if n.startswith("minfleet_solve_seconds_count")]
    assert sum(moved(client, before, n) for n in stages) >= 2
    seconds = 'minfleet_request_seconds_count{route="/v1/plans"}'
    assert moved(client, before, seconds) == 3


def test_workers_and_queue(client):
    def look() -> bool:
        told = families(client)
        return "minfleet_queue_jobs" in str(told) and told['minfleet_workers{state="busy"}'] == 0

    until(look, "the first beat")
    told = families(client)
    assert told['minfleet_workers{state="idle"}'] == 1
    assert told['minfleet_queue_jobs{state="queued"}'] == 0
    assert told["minfleet_worker_deaths_total"] == 0


def test_made_up_names_make_no_new_figures(client):
    """Else anybody could fill the memory of the server, and of Prometheus."""
    client.get("/nothing")
    before = set(families(client))
    for n in range(5):
        client.get(f"/nothing-{n}?{n}")
        client.get(f"/v1/plans/plan-{n}")
    client.request("BREW", "/v1/plans")
    new = set(families(client)) - before
    assert not [n for n in new if "nothing" in n or "plan-" in n or "BREW" in n]
