"""A small workload over a handful of offers, and a runner of commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import main

OFFERS = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,network_gbps,observed_at,source
acme-l40s,acme,eu,l40s,1,0.80,on_demand,3,25,2026-07-01,a quote
acme-h100,acme,eu,h100_sxm,1,2.50,on_demand,,50,2026-07-01,a quote
acme-h100x8,acme,eu,h100_sxm,8,18.40,on_demand,2,3200,2026-07-01,a quote
acme-h100-spot,acme,eu,h100_sxm,1,1.20,spot,,50,2026-07-01,a quote
bolt-t4,bolt,us,t4,1,0.20,on_demand,,,2026-07-01,a quote
"""

WORKLOAD: dict[str, Any] = {
    "schema": "minfleet/workload/v1",
    "model": "llama-3.1-8b-instruct",
    "classes": [{"name": "chat", "rate_rps": 70, "isl": 1024, "osl": 256}],
    "sla": {"ttft_ms": 500, "tpot_ms": 40, "percentile": 99},
    "serving": {"disaggregation": "off"},
}

MEASURED = """\
accelerator,class,capacity_rps,gpus_per_replica
l40s,chat,4,1
h100_sxm,chat,14,1
h100_sxm,chat,31,2
"""


@pytest.fixture(scope="session")
def offers(tmp_path_factory) -> Path:
    """A file of five offers from two providers."""
    path = tmp_path_factory.mktemp("offers") / "offers.csv"
    path.write_text(OFFERS)
    return path


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> Path:
    """Measured capacities of two accelerators."""
    path = tmp_path_factory.mktemp("measured") / "measured.csv"
    path.write_text(MEASURED)
    return path


@pytest.fixture(scope="session")
def write_workload(tmp_path_factory) -> Callable[..., Path]:
    """Write the small workload with some blocks replaced (None: left out)."""

    def write(**changes: Any) -> Path:
        content = {k: v for k, v in {**WORKLOAD, **changes}.items() if v is not None}
        path = tmp_path_factory.mktemp("workload") / "workload.json"
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture(scope="session")
def workload(write_workload) -> Path:
    """The small workload."""
    return write_workload()


@pytest.fixture(scope="session")
def invoke() -> Callable[..., Result]:
    """Run ``minfleet`` with arguments, and text or bytes on stdin."""

    def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)

    return run


@pytest.fixture(scope="session")
def refusal(invoke) -> Callable[..., str]:
    """Return the sentence with which a command refuses its input: status 2, nothing on stdout."""

    def run(*arguments: object, stdin: str | bytes | None = None) -> str:
        result = invoke(*arguments, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return str(result.stderr)

    return run


@pytest.fixture(scope="session")
def planned(invoke, workload, offers, tmp_path_factory) -> tuple[dict[str, Any], Path]:
    """The small workload's plan document, and the file that holds it."""
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    result = invoke("plan", workload, "--offers", offers, "--json", "--out", path)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), path
