"""``minfleet verify``: passes on a plan of its own, finds what was tampered with."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def check(invoke, planned, offers, tmp_path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Verify the small plan after a change; return exit status and document."""

    def run(change: Callable[[dict[str, Any]], object] = lambda plan: None) -> Any:
        document = copy.deepcopy(planned[0])
        change(document)
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(document))
        result = invoke("verify", path, "--offers", offers, "--json")
        assert result.stderr == "", result.stderr
        return result.exit_code, json.loads(result.stdout)

    return run


def test_a_plan_of_its_own_holds(check, planned):
    status, found = check()
    assert (status, found["passed"], found["failures"]) == (0, True, [])
    assert found["same_catalog"] is True
    # The certificate itself is checked too, which was not filled in when the plan was made.
    assert found["rows_checked"] > planned[0]["certificate"]["check"]["rows_checked"]


def first(plan: dict[str, Any], list_name: str) -> dict[str, Any]:
    return plan[list_name][0]


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "cheaper than its purchases": lambda p: p.update(cost_per_hour_usd=0.5),
    "fewer replicas": lambda p: first(p, "pools").update(replicas=1),
    "another price": lambda p: first(p, "purchases").update(price_per_node_hour_usd=0.01),
    "fewer nodes": lambda p: first(p, "purchases").update(nodes=0),
    "more than the stock": lambda p: first(p, "purchases").update(nodes=1000),
    "an offer of nobody": lambda p: first(p, "purchases").update(offer_id="nobody"),
    "a class half served": lambda p: first(p, "pools")["serves"].update(chat=0.01),
    "a prettier latency": lambda p: first(p, "pools")["predicted"]["ttft_ms"].update(p99=1.0),
    "another accelerator": lambda p: first(p, "pools").update(accelerator="b200_sxm"),
    "a group too large for its node": lambda p: first(p, "pools").update(tp=8),
    "rates beyond what a replica admits": lambda p: first(p, "pools").update(tightened=5.0),
    "a negative share": lambda p: first(p, "pools")["serves"].update(chat=-0.5),
    "an untold number of GPUs": lambda p: p.update(gpus=1),
    "a stricter budget": lambda p: p["workload"]["hardware"].update(max_cost_per_hour_usd=0.1),
    "a higher rate": lambda p: p["workload"]["classes"][0].update(rate_rps=300),
    "a tighter target": lambda p: p["workload"]["sla"].update(tpot_ms=5.0),
    "another provider wanted": lambda p: p["workload"]["hardware"].update(providers=["bolt"]),
    "spare replicas wanted": lambda p: p["workload"]["hardware"].update(spare_replicas=3),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_found(check, name):
    status, found = check(TAMPERED[name])
    assert status == 1
    assert found["passed"] is False
    assert found["failures"]


def second(plan: dict[str, Any]) -> dict[str, Any]:
    return plan["certificate"]["second_engine"]


CERTIFICATES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a bound above the objective": (
        lambda p: p["certificate"].update(bound=2 * p["certificate"]["objective"], gap=0.0),
        "is above the objective",
    ),
    "another objective": (
        lambda p: p["certificate"].update(objective=p["certificate"]["objective"] + 1),
        "but that of the plan is",
    ),
    "another gap": (lambda p: p["certificate"].update(gap=5e-5), "(objective − bound)/objective"),
    "no bound": (lambda p: p["certificate"].update(bound=None), "(objective − bound)/objective"),
    "neither bound nor gap": (
        lambda p: p["certificate"].update(bound=None, gap=None),
        "its gap is unknown",
    ),
    "an open gap": (
        lambda p: p["certificate"].update(bound=p["certificate"]["objective"] / 2, gap=0.5),
        "its gap is 50.000000%, more than the 0.010000% asked for",
    ),
    "a check that failed": (
        lambda p: p["certificate"]["check"].update(passed=False, failures=["wrong"]),
        "the check stored with it did not pass",
    ),
    "no check": (lambda p: p["certificate"].update(check=None), "did not pass"),
    "a second engine that contradicts": (
        lambda p: second(p).update(agrees=False),
        "the second engine contradicts",
    ),
    "a second bound above the cost": (
        lambda p: second(p).update(bound=1e6),
        "contradicts the objective",
    ),
    "a second engine that cannot agree": (
        lambda p: second(p).update(agrees=True, bound=0.0),
        "does not close the gap",
    ),
    "no objective": (
        lambda p: p["certificate"].update(objective=None),
        "no objective is certified",
    ),
    "no certificate": (lambda p: p.update(certificate={}), "no objective is certified"),
    "a status of no fleet": (lambda p: p.update(status="infeasible"), "is not 'infeasible'"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_contradicts_itself_is_found(check, name):
    change, words = CERTIFICATES[name]
    status, found = check(change)
    assert status == 1
    assert any(words in sentence for sentence in found["failures"]), found["failures"]


def test_an_open_gap_that_is_called_feasible_is_no_lie(check):
    def left_open(plan: dict[str, Any]) -> None:
        plan["status"] = "feasible"
        plan["certificate"].update(bound=plan["certificate"]["objective"] / 2, gap=0.5)
        second(plan).update(agrees=None, bound=0.0)

    assert check(left_open)[0] == 0


@pytest.mark.parametrize("field", ["bound", "gap", "gap_asked", "check", "second_engine"])
def test_a_damaged_certificate_is_told_without_a_traceback(
    invoke, planned, offers, tmp_path, field
):
    document = copy.deepcopy(planned[0])
    del document["certificate"][field]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    result = invoke("verify", path, "--offers", offers)
    assert result.exit_code == 1
    assert field in result.stderr
    assert "Traceback" not in result.output


def test_people_get_a_sentence_for_each_failure(invoke, planned, offers, tmp_path):
    document = copy.deepcopy(planned[0])
    document["cost_per_hour_usd"] = 0.5
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    result = invoke("verify", path, "--offers", offers)
    assert result.exit_code == 1
    assert "does not hold" in result.stdout
    assert "not $0.5" in result.stdout


def test_the_stored_proof_is_told_but_not_claimed_anew(invoke, planned, offers):
    result = invoke("verify", planned[1], "--offers", offers)
    assert result.exit_code == 0
    assert "the plan holds" in result.stdout
    assert "not re-proven" in result.stdout


def test_another_catalogue_is_told(invoke, planned, offers, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(offers.read_text() + "x,acme,eu,l4,1,0.50,on_demand,,,2026-07-01,a quote\n")
    result = invoke("verify", planned[1], "--offers", other)
    assert result.exit_code == 0
    assert "not the one the plan was made with" in result.stdout


def test_the_shipped_catalogue_does_not_know_these_offers(invoke, planned):
    result = invoke("verify", planned[1])
    assert result.exit_code == 1
    assert "is not in the catalogue" in result.output


def test_a_measured_plan_is_verified_with_its_measurements(
    invoke, write_workload, offers, measured, tmp_path
):
    path = tmp_path / "plan.json"
    file = write_workload(classes=[{"name": "chat", "rate_rps": 30}], sla=None)
    files = ("--offers", offers, "--measured", measured)
    assert invoke("plan", file, *files, "--explain", "none", "--out", path).exit_code == 0
    assert invoke("verify", path, *files).exit_code == 0
    worse = tmp_path / "worse.csv"
    worse.write_text(measured.read_text().replace("14", "3").replace("31", "6"))
    assert invoke("verify", path, "--offers", offers, "--measured", worse).exit_code == 1


def test_a_class_with_targets_of_its_own_is_verified(invoke, write_workload, offers, tmp_path):
    path = tmp_path / "plan.json"
    chat = {"name": "chat", "rate_rps": 20, "isl": 1024, "osl": 256}
    rag = {"name": "rag", "rate_rps": 2, "isl": 6000, "osl": 300, "sla": {"ttft_ms": 2500}}
    file = write_workload(classes=[chat, rag])
    made = invoke("plan", file, "--offers", offers, "--explain", "none", "--out", path)
    assert made.exit_code == 0, made.output
    result = invoke("verify", path, "--offers", offers)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not valid JSON"),
        ('{"schema": "minfleet/plan/v1", "status":', "cut short"),
        ("[]", "not a plan document"),
        ('{"schema": "minfleet/estimate/v1"}', "not a plan document"),
        ('{"schema": "minfleet/plan/v1", "status": "optimal"}', "lacks"),
        ("[" * 100_000, "plan"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(refusal, tmp_path, text, part):
    path = tmp_path / "plan.json"
    path.write_text(text)
    assert part in refusal("verify", path)


def test_a_plan_without_a_fleet_has_nothing_to_check(invoke, refusal, write_workload, offers):
    file = write_workload(hardware={"max_cost_per_hour_usd": 1})
    path = file.parent / "plan.json"
    assert (
        invoke("plan", file, "--offers", offers, "--explain", "none", "--out", path).exit_code == 1
    )
    assert "infeasible" in refusal("verify", path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", 0),
        ("replicas", -2),
        ("replicas", 2.5),
        ("replicas", "many"),
        ("tp", 0),
        ("model", "nobody"),
        ("accelerator", "nobody"),
        ("offer_id", "nobody"),
        ("weight_precision", "int2"),
        ("tier", ["nobody"]),
        ("serves", {"nobody": 1.0}),
        ("predicted", None),
    ],
)
def test_nonsense_in_a_pool_does_not_pass(invoke, planned, offers, tmp_path, field, value):
    document = copy.deepcopy(planned[0])
    document["pools"][0][field] = value
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    result = invoke("verify", path, "--offers", offers)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit), result.exception


@pytest.mark.parametrize(
    "lost", ["tp", "serves", "predicted", "tier", "role", "network_bytes_per_s"]
)
def test_a_damaged_pool_is_told_without_a_traceback(invoke, planned, offers, tmp_path, lost):
    document = copy.deepcopy(planned[0])
    del document["pools"][0][lost]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    result = invoke("verify", path, "--offers", offers)
    assert result.exit_code in (1, 2)
    assert lost in result.stderr
    assert "Traceback" not in result.output
