"""Measured capacities in place of the performance model, against published results.

The cases of the Mélange allocator (accelerators by price, throughput of each bucket of request
sizes) come with its own answers and with the bound of fractional shares. Three small ones are
here; the others are read from a file beside the project where there is one.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_catalog import write_table

from data.catalog import Catalog
from data.errors import CatalogError, InputError, UnknownNameError
from solver.planner import plan
from solver.workload import Workload

FOLDERS = sorted(Path(__file__).parents[3].glob("*/cases"))
"""Folders of published cases beside the project."""

TOY = {
    "A10G": {"cost": 1.01, "tputs": [[2, 1], [5, 2]]},
    "A100-80GB": {"cost": 3.67, "tputs": [[20, 20], [40, 20]]},
}
EMBEDDED = [
    # All on one A10G: 0.2/2 + 0.1/1 + 0.5/5 + 0.2/2 = 0.4 replicas.
    ({"A10G": 1, "A100-80GB": 0}, 1.01, TOY, [[0.2, 0.1], [0.5, 0.2]], 1.0),
    # 16 times that is 6.4 A10Gs ($7.07); one A100 takes 16·(0.01 + 0.005 + 0.0125 + 0.01) = 0.6.
    ({"A10G": 0, "A100-80GB": 1}, 3.67, TOY, [[0.2, 0.1], [0.5, 0.2]], 16.0),
    # The A10G serves the first bucket only. On A100s alone: 40·(0.5/20 + 0.5/20) = 2 of them,
    # $7.34; one A100 takes the second bucket whole, leaving 20/2 = 10 A10Gs for the first.
    (
        {"A10G": 0, "A100-80GB": 2},
        7.34,
        {
            "A10G": {"cost": 1.01, "tputs": [[2, 0]]},
            "A100-80GB": {"cost": 3.67, "tputs": [[20, 20]]},
        },
        [[0.5, 0.5]],
        40.0,
    ),
]


def problem(
    folder: Path, gpus: dict[str, Any], shares: list[list[float]], rate_rps: float
) -> tuple[Workload, Catalog, Path]:
    """Write a case as a workload, offers and measured capacities, and read it back."""
    buckets = {
        f"{i}-{j}": share * rate_rps
        for i, row in enumerate(shares)
        for j, share in enumerate(row)
        if share * rate_rps > 0
    }
    offers = [
        {
            "offer_id": name,
            "provider": "acme",
            "region": "eu",
            "accelerator": name,
            "gpus_per_node": 1,
            "price_per_node_hour_usd": gpu["cost"],
            "pricing": "on_demand",
            "stock": "",
            "observed_at": "2026-07-01",
            "source": "published case",
        }
        for name, gpu in gpus.items()
    ]
    measured = []
    for name, gpu in gpus.items():
        for bucket in buckets:
            i, j = map(int, bucket.split("-"))
            row = {"accelerator": name, "class": bucket, "capacity_rps": gpu["tputs"][i][j]}
            measured.append(row)
    workload = Workload.parse(
        {
            "model": "any",
            "classes": [{"name": name, "rate_rps": rate} for name, rate in buckets.items()],
        }
    )
    catalog = Catalog.load(offers=write_table(folder / "offers.csv", offers), strict=False)
    return workload, catalog, write_table(folder / "measured.csv", measured)


@pytest.mark.parametrize(("nodes", "cost", "gpus", "shares", "rate_rps"), EMBEDDED)
def test_small_cases_by_hand(tmp_path, nodes, cost, gpus, shares, rate_rps):
    workload, catalog, measured = problem(tmp_path, gpus, shares, rate_rps)
    answer = plan(workload, catalog, measured=measured)
    assert answer.status == "optimal"
    assert answer.cost_per_hour_usd == pytest.approx(cost, abs=1e-9)
    bought = {p.offer_id: p.nodes for p in answer.purchases}
    assert bought == {name: n for name, n in nodes.items() if n}
    assert answer.certificate["check"]["passed"]


def published() -> list[dict[str, Any]]:
    """Return the published cases; none where the file is not there."""
    files = [f / "melange.json" for f in FOLDERS if (f / "melange.json").exists()]
    return json.loads(files[0].read_text("utf-8"))["cases"] if files else []


def test_the_published_cases_are_there():
    if not published():
        if os.environ.get("MINFLEET_REQUIRE_OPTIONAL_TESTS") and FOLDERS:
            pytest.fail(f"{FOLDERS[0]} holds no melange.json")
        pytest.skip("no melange.json in a folder of cases beside the project")
    assert len(published()) == 22


@pytest.mark.parametrize("case", published(), ids=lambda c: c["name"])
def test_published_case(tmp_path, case):
    given = case["input"]
    shares, rate_rps = given["workload_distribution"], given["total_request_rate"]
    workload, catalog, measured = problem(tmp_path, given["gpu_info"], shares, rate_rps)
    answer = plan(workload, catalog, measured=measured, explain=False, gap=1e-6)
    assert answer.status == "optimal"
    assert answer.certificate["check"]["passed"]
    assert answer.cost_per_hour_usd <= case["melange"]["output"]["cost"] + 1e-6
    bound = case["check_highs_fractional_slices"]["dual_bound"]
    assert answer.cost_per_hour_usd >= bound - 1e-6


def quick(workload: Workload, catalog: Catalog, measured: Path):
    return plan(workload, catalog, measured=measured, explain=False, second_engine=False)


def rewrite(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("accelerator,class,capacity_rps,gpus_per_replica", *lines)) + "\n")
    return path


@pytest.fixture
def two_classes(tmp_path):
    """One class of 3 and one of 1 requests/s over two accelerators that no catalogue knows."""
    gpus = {name: {"cost": 2.0, "tputs": [[1, 1]]} for name in ("zx9000", "npu_of_mine")}
    return problem(tmp_path, gpus, [[0.75, 0.25]], 4.0)


def test_accelerators_outside_the_catalogue(two_classes):
    workload, catalog, measured = two_classes
    rewrite(measured, "zx9000,0-0,1.5,", "zx9000,0-1,2,", "npu_of_mine,0-1,4,")
    # 3/1.5 = 2 zx9000 for the first class leave no room: one more of either, $6.
    answer = quick(workload, catalog, measured)
    assert (answer.status, answer.cost_per_hour_usd) == ("optimal", 6.0)
    assert answer.pools[0].predicted is None
    assert answer.cost_per_million_output_tokens_usd is None


def test_zero_empty_and_absent_capacity_cannot_serve(two_classes):
    workload, catalog, measured = two_classes
    rewrite(measured, "zx9000,0-0,3,", "zx9000,0-1,0,", "npu_of_mine,0-0,,", "npu_of_mine,0-1,1,")
    answer = quick(workload, catalog, measured)
    assert answer.cost_per_hour_usd == 4.0
    served = {p.accelerator: set(p.serves) for p in answer.pools}
    assert served == {"zx9000": {"0-0"}, "npu_of_mine": {"0-1"}}


def test_a_class_that_nothing_serves_is_infeasible(two_classes):
    workload, catalog, measured = two_classes
    rewrite(measured, "zx9000,0-0,3,", "npu_of_mine,0-0,3,", "npu_of_mine,0-1,0,")
    answer = plan(workload, catalog, measured=measured)
    assert answer.status == "infeasible"
    assert "0-1" in json.dumps(answer.infeasibility["conflicts"])


def test_replicas_of_several_accelerators(two_classes):
    workload, catalog, measured = two_classes
    nodes = tuple(replace(o, gpus_per_node=4) for o in catalog.offers)
    rewrite(measured, "zx9000,0-0,0.5,2", "zx9000,0-1,1,1")
    # 3/0.5 = 6 pairs and one single: 13 accelerators, 4 nodes of 4.
    answer = quick(workload, catalog.with_offers(nodes), measured)
    assert answer.cost_per_hour_usd == 8.0
    assert {(p.tp, p.replicas) for p in answer.pools} == {(2, 6), (1, 1)}


def test_aliases_and_names_of_the_catalogue_mean_the_same(two_classes):
    workload, catalog, measured = two_classes
    known = tuple(replace(o, accelerator="h100_sxm") for o in catalog.offers[:1])
    rewrite(measured, "H100-SXM,0-0,3,", "h100_sxm,0-1,1,")
    assert quick(workload, catalog.with_offers(known), measured).cost_per_hour_usd == 4.0


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("zx9000,0-9,1,", UnknownNameError, ("0-9", "0-0")),
        ("zx9000,0-0,-1,", CatalogError, ("line 2", "capacity_rps")),
        ("zx9000,0-0,nan,", CatalogError, ("line 2", "capacity_rps")),
        ("zx9000,0-0,inf,", CatalogError, ("line 2", "capacity_rps")),
        ("zx9000,0-0,many,", CatalogError, ("line 2", "capacity_rps", "many")),
        ("zx9000,0-0,1,3", CatalogError, ("gpus_per_replica", "power of two")),
        ("zx9000,0-0,1,0", CatalogError, ("line 2", "gpus_per_replica")),
        (",0-0,1,", CatalogError, ("line 2", "accelerator")),
        ("zx9000,0-0,1,\nzx9000,0-0,2,", CatalogError, ("line 3", "twice")),
        ("zx9000,0-0", CatalogError, ("line 2", "cells")),
    ],
)
def test_bad_rows_are_named(two_classes, line, error, words):
    workload, catalog, measured = two_classes
    with pytest.raises(error) as caught:
        plan(workload, catalog, measured=rewrite(measured, line))
    assert isinstance(caught.value, InputError)
    for word in words:
        assert word in str(caught.value)


def test_two_spellings_of_one_accelerator_may_not_contradict_each_other(two_classes):
    workload, catalog, measured = two_classes
    known = tuple(replace(o, accelerator="h100_sxm") for o in catalog.offers[:1])
    rewrite(measured, "H100-SXM,0-0,3,", "h100_sxm,0-0,1,", "h100_sxm,0-1,1,")
    with pytest.raises(CatalogError, match="twice"):
        quick(workload, catalog.with_offers(known), measured)
