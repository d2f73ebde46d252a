"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from api.store.refresh_records import Counts

disable_created_metrics()

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)

REQUEST_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)

GAPS = (0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1)


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def make(kind: Any, name: str, text: str, labels: tuple[str, ...] = (), **more: Any) -> Any:
            return kind(f"minfleet_{name}", text, labels, registry=self.registry, **more)

        self.requests = make(Counter, "requests", "HTTP requests.", ("method", "route", "status"))
        self.request_seconds = make(
            Histogram,
            "request_seconds",
            "Seconds from the first byte of a request to the last of its response.",
            ("route",),
            buckets=REQUEST_SECONDS,
        )
        self.jobs = make(Counter, "jobs", "Jobs that ended here, by how.", ("kind", "state"))
        self.job_seconds = make(
            Histogram, "job_seconds", "Seconds that a worker took.", ("kind",), buckets=SECONDS
        )
        self.plans = make(Counter, "plans", "Plans solved here, by status.", ("status",))
        self.solve_seconds = make(
            Histogram, "solve_seconds", "Seconds of a plan by stage.", ("stage",), buckets=SECONDS
        )
        self.gap = make(Histogram, "plan_gap", "Relative gap that was left open.", buckets=GAPS)
        self.answered = make(
            Counter,
            "answers",
            "Requests for something to be solved, by where the answer came from.",
            ("source",),
        )
        self.queue = make(Gauge, "queue_jobs", "Jobs of the store that wait or run.", ("state",))
        self.workers = make(Gauge, "workers", "Worker processes for jobs.", ("state",))
        self.worker_deaths = make(Counter, "worker_deaths", "Workers killed or crashed.")
        self.refreshes = make(
            Counter,
            "catalog_refreshes",
            "Refreshes of prices on the store, by feed and how they ended; a held one counts again "
            "when it is decided on.",
            ("feed", "state"),
        )
        self.refreshed_at = make(
            Gauge,
            "catalog_refreshed_timestamp_seconds",
            "When a feed was accepted, or found unchanged, the last time (Unix time).",
            ("feed", "name"),
        )
        self._refreshes_seen: dict[tuple[str, str], int] = {}
        self.refusals = make(
            Counter, "refusals", "Requests that ended with a problem, by kind.", ("kind",)
        )

        self.deliveries = make(
            Counter,
            "deliveries",
            "Attempts at notices made here, by kind of subscription and what came of them.",
            ("kind", "state"),
        )
        self.deliveries_waiting = make(
            Gauge, "deliveries_waiting", "Notices of the store that are still to be delivered."
        )
        self.replannings = make(
            Counter,
            "replannings",
            "Registered workloads planned again here, by what made them due and what came of it.",
            ("trigger", "outcome"),
        )
        self.replanning_delay_seconds = make(
            Histogram,
            "replanning_delay_seconds",
            "Seconds from when a schedule made a workload due to its decision.",
            buckets=(*SECONDS, 1000, 3600),
        )
        self.due = make(Gauge, "due_workloads", "Registered workloads that wait to be planned.")

    def watch_workers(self, count: int, busy: Callable[[], int]) -> None:
        """Read the workers whenever somebody looks."""
        self.workers.labels("busy").set_function(busy)
        self.workers.labels("idle").set_function(lambda: count - busy())

    def queue_seen(self, counts: Mapping[str, int]) -> None:
        """Take in how many jobs of the store wait and run."""
        for state, number in counts.items():
            self.queue.labels(state).set(number)

    def refreshes_seen(self, counts: Counts) -> None:
        """Take in the refreshes of the store, whoever made them."""
        for name, number in counts.ended.items():
            before = self._refreshes_seen.get(name, 0)
            self.refreshes.labels(*name).inc(max(0, number - before))
            self._refreshes_seen[name] = max(number, before)
        for name, moment in counts.last_good.items():
            self.refreshed_at.labels(*name).set(moment.timestamp())

    def planned(self, document: Mapping[str, Any]) -> None:
        """Take in a plan."""
        self.plans.labels(document["status"]).inc()
        for stage, seconds in document["search"]["seconds"].items():
            self.solve_seconds.labels(stage).observe(seconds)
        gap = document["certificate"]["gap"]
        if gap is not None:
            self.gap.observe(gap)

    def replanned(self, task: Mapping[str, Any], outcome: str) -> None:
        """Take in what came of planning a registered workload again."""
        self.replannings.labels(task["trigger"], outcome).inc()
        if task["due_at"] is not None:
            late = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(task["due_at"])
            self.replanning_delay_seconds.observe(max(late.total_seconds(), 0.0))

    def text(self) -> bytes:
        """Return the figures in Prometheus's text format."""
        return bytes(generate_latest(self.registry))
