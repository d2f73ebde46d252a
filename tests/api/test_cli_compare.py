"""``minfleet compare``: a buyer's case end to end, the document, exit statuses, bad input."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from api.schemas.base import undeclared_fields
from api.schemas.comparison import ComparisonDocument
from api.schemas.export import json_schema

QUOTES = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,term_months,upfront_usd,network_gbps,observed_at,source
h100-reserved,nimbus,eu-west,h100_sxm,8,15.20,committed,2,12,26280,3200,2026-08-20,quote 4711
h200-ondemand,nimbus,eu-west,h200_sxm,8,27.60,on_demand,,,,3200,2026-08-20,quote 4711
"""

MORE_QUOTES = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,network_gbps,observed_at,source
mi300x-node,redwood,us-east,mi300x,8,19.92,on_demand,4,3200,2026-08-21,quote 88
mi300x-one,redwood,us-east,mi300x,1,3.10,on_demand,,,2026-08-21,quote 88
mi300x-spot,redwood,us-east,mi300x,1,1.10,spot,,,2026-08-21,quote 88
"""

CONTRACT = {
    "": "schema status joint offers subsets",
    "joint": "cost_per_hour_usd",
    "offers": "offer_id alone joint_share_pct enters_at_usd_per_node_hour "
    "takes_over_at_usd_per_node_hour next_node_worth_usd_per_hour sentence",
    "alone": "status cost_per_hour_usd gpus nodes",
}
"""Fields that every comparison has."""

FIGURES = ("enters_at_usd_per_node_hour", "takes_over_at_usd_per_node_hour")


@pytest.fixture(scope="module")
def chat(write_workload):
    """A 70B chat workload that may use committed offers."""
    return write_workload(
        model="llama-3.1-70b-instruct",
        classes=[{"name": "chat", "rate_rps": 60, "isl": 1024, "osl": 256}],
        sla={"ttft_ms": 800, "tpot_ms": 50},
        hardware={"pricing": ["on_demand", "committed"]},
        serving=None,
    )


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    """Two files of quotes."""
    folder = tmp_path_factory.mktemp("quotes")
    (folder / "nimbus.csv").write_text(QUOTES)
    (folder / "redwood.csv").write_text(MORE_QUOTES)
    return folder / "nimbus.csv", folder / "redwood.csv"


@pytest.fixture(scope="module")
def compared(invoke, chat, quotes, tmp_path_factory):
    """The comparison of all quotes, and the file that holds it."""
    path = tmp_path_factory.mktemp("comparison") / "comparison.json"
    subset = ("--subset", "amd=mi300x-node,mi300x-one")
    result = invoke("compare", chat, *quotes, *subset, "--json", "--out", path)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), path


def test_the_document_keeps_its_contract(compared):
    document, path = compared
    assert json.loads(path.read_text("utf-8")) == document
    offer = document["offers"][0]
    parts = {"": document, "joint": document["joint"], "offers": offer, "alone": offer["alone"]}
    for name, fields in CONTRACT.items():
        assert set(fields.split()) <= set(parts[name]), name


def test_the_document_is_what_its_schema_says(compared):
    document, _ = compared
    validator = Draft202012Validator(json_schema("comparison"))
    assert [e.message for e in validator.iter_errors(document)] == []
    model = ComparisonDocument.model_validate(document)
    assert list(undeclared_fields(model)) == []
    assert model.to_dict() == document


def test_a_buyer_sees_the_whole_picture(compared):
    document, _ = compared
    by_id = {o["offer_id"]: o for o in document["offers"]}
    assert document["complete"]
    assert [o["rank"] for o in document["offers"]] == [1, 2, 3, 4, 5]
    assert document["offers"][-1]["alone"]["status"] == "filtered"
    assert by_id["mi300x-spot"]["sentence"].startswith("Left out: its pricing spot")
    costs = [
        o["alone"]["cost_per_hour_usd"]
        for o in document["offers"]
        if o["alone"]["cost_per_hour_usd"] is not None
    ]
    assert costs == sorted(costs)
    shares = [o["joint_share_pct"] for o in document["offers"] if o["joint_share_pct"] is not None]
    assert sum(shares) == pytest.approx(100)
    assert document["joint"]["cost_per_hour_usd"] <= min(costs)
    for entry in document["offers"]:
        enters, over = (entry[f] for f in FIGURES)
        if enters is not None:
            bought = (entry["joint_nodes"] or 0) > 0
            assert bought == (enters > entry["full_price_per_node_hour_usd"])
        if enters is not None and over is not None:
            assert over <= enters + 1e-6
    assert by_id["h100-reserved"]["full_price_per_node_hour_usd"] == 18.2


def test_a_plan_over_the_same_quotes_costs_the_same(invoke, chat, quotes, compared):
    document, _ = compared
    first, second = quotes
    result = invoke(
        "plan", chat, "--offers", first, "--add-offers", second, "--json", "--explain", "none"
    )
    plan = json.loads(result.stdout)
    assert plan["cost_per_hour_usd"] == document["joint"]["cost_per_hour_usd"]


@pytest.mark.parametrize("name", ["h100-reserved", "h200-ondemand", "mi300x-node", "mi300x-one"])
def test_plans_at_the_break_even_prices_agree(chat, quotes, compared, name):
    """A plan just below the price buys of the offer (or nothing else), one just above does not."""
    from decimal import Decimal

    from data.catalog import Catalog
    from solver.planner import plan
    from solver.workload import Workload

    document, _ = compared
    (entry,) = (o for o in document["offers"] if o["offer_id"] == name)
    catalog, workload = Catalog.load(quotes), Workload.load(chat)

    def bought(price: float) -> dict[str, int]:
        at = {"price_per_node_hour_usd": Decimal(f"{price:.6f}"), "upfront_usd": None}
        offers = [replace(o, **at) if o.offer_id == name else o for o in catalog.offers]
        answer = plan(
            workload, catalog.with_offers(offers), gap=1e-7, explain="none", second_engine=False
        )
        return {p.offer_id: p.nodes for p in answer.purchases}

    enters, over = (entry[f] for f in FIGURES)
    assert name in bought(enters - 1e-3)
    assert name not in bought(enters + 1e-3)
    if over is not None:
        assert set(bought(over - 1e-3)) == {name}
        assert set(bought(over + 1e-3)) != {name}


def test_people_get_figures_and_a_sentence_each(invoke, chat, quotes, compared):
    document, _ = compared
    result = invoke("compare", chat, *quotes)
    assert result.exit_code == 0
    shown = result.stdout
    assert shown.startswith(f"${document['joint']['cost_per_hour_usd']:,.2f} an hour together")
    assert "Proven: no cheaper fleet of these offers exists." in shown
    words = " ".join(shown.split())
    for entry in document["offers"]:
        assert entry["sentence"] in words
    assert max(map(len, shown.splitlines())) <= 80


def test_only_the_offers_named_compete(invoke, chat, quotes, compared):
    named = ("--offer", "mi300x-node", "--offer", "h200-ondemand")
    found = json.loads(invoke("compare", chat, *quotes, *named, "--json").stdout)
    assert {o["offer_id"] for o in found["offers"]} == {"mi300x-node", "h200-ondemand"}
    assert found["joint"]["cost_per_hour_usd"] >= compared[0]["joint"]["cost_per_hour_usd"]


def test_shipped_offers_compete_when_asked_to(invoke, chat, quotes, compared):
    named = ("--offer", "mi300x-node")
    result = invoke("compare", chat, *quotes, *named, "--add-shipped", "--json")
    found = json.loads(result.stdout)
    (only,) = found["offers"]
    assert only["offer_id"] == "mi300x-node"
    bought = {p["offer_id"] for p in found["joint"]["purchases"]}
    assert not bought & {"h100-reserved", "h200-ondemand", "mi300x-one"}
    assert found["joint"]["cost_per_hour_usd"] < compared[0]["joint"]["cost_per_hour_usd"]


def test_measured_capacities(invoke, write_workload, offers, measured):
    file = write_workload(
        classes=[{"name": "chat", "rate_rps": 30}], sla=None, hardware={"pricing": ["on_demand"]}
    )
    result = invoke("compare", file, offers, "--measured", measured, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["joint"]["cost_per_hour_usd"] == pytest.approx(5.8)
    by_id = {o["offer_id"]: o for o in found["offers"]}
    # Without it 3 H100 of 14 requests/s cost $7.50, so what spares one is worth $2.50 / 1.
    assert by_id["acme-l40s"]["enters_at_usd_per_node_hour"] == 2.5
    assert by_id["bolt-t4"]["enters_reason"] == "no_price"


def test_infeasible_is_an_answer_with_status_1(invoke, write_workload, offers):
    file = write_workload(hardware={"max_cost_per_hour_usd": 1})
    result = invoke("compare", file, offers, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    found = json.loads(result.stdout)
    assert (found["status"], found["joint"]["cost_per_hour_usd"]) == ("infeasible", None)
    shown = invoke("compare", file, offers)
    assert "Proven: no fleet of these offers meets the workload." in shown.stdout


def test_what_is_not_proven_is_status_3(invoke, workload, offers, monkeypatch):
    import solver.comparison.comparison as module

    real = module.compare
    monkeypatch.setattr(module, "compare", lambda *a, **k: replace(real(*a, **k), complete=False))
    result = invoke("compare", workload, offers)
    assert result.exit_code == 3
    assert "not proven in time" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--offer", "acme-h10"), ("--offer", "'acme-h100'")),
        (("--subset", "a"), ("--subset 'a'", "NAME=ID")),
        (("--subset", "=acme-h100"), ("--subset", "NAME=ID")),
        (("--subset", "a=acme-h100,nothing"), ("subset 'a'", "'nothing'")),
        (("--subset", "a=acme-h100", "--subset", "a=acme-l40s"), ("'a'", "twice")),
        (("--gap", "2"), ("--gap",)),
        (("--out", "/no/such/folder/c.json"), ("no folder",)),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(refusal, workload, offers, arguments, words):
    said = refusal("compare", workload, offers, *arguments)
    for word in words:
        assert word in said


def test_an_id_in_two_files_names_both(refusal, workload, offers, tmp_path):
    again = tmp_path / "again.csv"
    with offers.open() as file:
        rows = list(csv.reader(file))
    with again.open("w", newline="") as file:
        csv.writer(file).writerows(rows[:2])
    said = refusal("compare", workload, offers, again)
    assert "again.csv" in said
    assert "'acme-l40s' is already used at" in said
    assert str(offers) in said


def test_offers_are_asked_for(refusal, workload):
    assert "OFFERS" in refusal("compare", workload)
