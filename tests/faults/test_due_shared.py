"""Two servers on one PostgreSQL plan 500 due workloads, and one of them is killed and restarted.

Proves that each due workload is planned exactly once: it has one decision, of one job, and its due
time has moved on once. What the killed server had claimed is taken over. Fails if a claim is made
outside of the transaction that moves the due time on, if a job that was taken over is decided
twice, or if a workload is forgotten when its claimer dies.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import Counter

from faults_kit import power_cut, until
from live_server import SMALL, LiveServer
from sqlalchemy import func, select, update

from api.service.examples import QUOTES
from api.store.catalogs import as_stored
from api.store.registered import Content
from api.store.store import Store
from api.store.tables import decisions, events, jobs, registered
from data.catalog import Catalog
from solver.planner import plan
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.workload import Workload

DUE = 500

QUEUE_LIMIT = 200

PATIENCE_S = 240.0

YEARLY = {"cron": "0 6 1 1 *", "timezone": "UTC", "on": None}


def due_workloads(store: Store) -> None:
    """Register workloads over two offers, all due since a minute."""
    store.migrate()
    store.catalogs.adopt_shipped()
    catalog = as_stored(Catalog.load().with_rows(offers=QUOTES))
    store.catalogs.bring_in_force(catalog, "two quotes", None)
    workload = Workload.parse(SMALL)
    fleet = plan(workload, catalog, explain="none", second_engine=False).to_dict()
    content = Content(
        workload=workload.to_dict(),
        policy=Policy().to_dict(),
        schedule=YEARLY,
        basis={
            "measured": None,
            "coefficients": None,
            "settings": {"gap": 1e-4, "time_limit_s": 60},
        },
        fleet=json.loads(json.dumps(fleet)),
        plan_id=None,
        memory=Memory().to_dict(),
        paused=False,
    )
    store.registered.put("w000", content, lambda revision: revision is None, None)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)

    def multiply(connection):
        row = dict(connection.execute(select(registered)).one()._mapping)
        copies = [{**row, "name": f"w{number:03}"} for number in range(1, DUE)]
        connection.execute(registered.insert(), copies)
        connection.execute(update(registered).values(due_at=since))

    store.database.write(multiply)


def count(store: Store, *where) -> int:
    query = select(func.count()).select_from(decisions).where(*where)
    return store.database.read(lambda c: c.execute(query).scalar())


def test_each_due_workload_is_planned_once(postgres_url, tmp_path):
    store = Store(postgres_url)
    due_workloads(store)
    settings = {"workers": 1, "queue_limit": QUEUE_LIMIT, "dead_after_s": 5}
    servers = [LiveServer(postgres_url, tmp_path, **settings) for _ in range(2)]
    most_waiting, begin = [0], time.monotonic()

    def decided(number):
        time.sleep(0.1)  # the cores are for the servers
        most_waiting.append(store.jobs.counts()["queued"])
        return count(store) >= number

    try:
        until(lambda: decided(DUE / 4), "the first decisions", PATIENCE_S)
        power_cut(servers[0])
        servers.append(LiveServer(postgres_url, tmp_path, **settings))
        until(lambda: decided(DUE), "a decision for each", PATIENCE_S)
        until(lambda: not store.jobs.open("replanning"), "the end of all jobs")
        took_s = time.monotonic() - begin
        owners = [len([e for e in s.log() if e["event"] == "job is done"]) for s in servers]
    finally:
        for server in servers:
            server.kill()

    def look(connection):
        return [connection.execute(select(t)).all() for t in (decisions, jobs, registered, events)]

    made, worked, left, told = store.database.read(look)
    store.close()
    assert Counter(d.workload for d in made) == {f"w{n:03}": 1 for n in range(DUE)}
    assert len({d.job_id for d in made}) == DUE
    assert {d.outcome for d in made} == {"keep"}
    assert Counter(j.state for j in worked) == {"done": DUE}
    assert {j.result_id for j in worked} == {d.id for d in made}
    assert all(r.due_at > dt.datetime.now(dt.UTC) for r in left)
    assert Counter(e.kind for e in told) == {"decision.keep": DUE}
    assert max(most_waiting) <= QUEUE_LIMIT / 2, "due workloads took the room of people's requests"
    ends = Counter(a["ended"] for j in worked for a in json.loads(j.attempts))
    print(f"{DUE} in {took_s:.1f} s, by server {owners}, attempts {dict(ends)}")
