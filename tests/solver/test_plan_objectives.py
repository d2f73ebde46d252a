"""Plans for other objectives: figures of the document, the checker, what is left out, errors."""

from __future__ import annotations

import copy
import json

import pytest
from click.testing import CliRunner
from small_catalog import catalog, rows, workload, write_table

from api.cli import main
from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from data.errors import UnknownNameError, WorkloadError
from solver.checker import PlanChecker
from solver.comparison.comparison import compare
from solver.planner import plan

GRIDS = {"by_region": {"eu": 100, "us": 20}}
AIMS = {
    "gpus": "gpus",
    "energy": {"minimize": "energy", "pue": 1.2, "idle_power_share": 0.2},
    "carbon": {"minimize": "carbon", "grid_gco2e_per_kwh": GRIDS},
    "cost, then carbon": {"then": "carbon", "grid_gco2e_per_kwh": GRIDS},
}


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


@pytest.fixture(scope="module")
def documents(quotes):
    return {
        name: json.loads(plan(workload(objective=aim), quotes, explain="full").to_json())
        for name, aim in AIMS.items()
    }


def checked(document, quotes):
    from solver.workload import Workload

    wanted = Workload.parse(document["workload"])
    return PlanChecker(document, wanted, quotes, shipped_coefficients()).check()


@pytest.mark.parametrize("name", AIMS)
def test_plans_are_proven_and_checked(name, documents, quotes):
    document = documents[name]
    assert document["status"] == "optimal"
    assert document["certificate"]["objective"] == document["objective"]["value"]
    assert document["certificate"]["then"]["gap"] <= 1e-4
    assert document["certificate"]["second_engine"]["verdict"] != "contradicts"
    assert checked(document, quotes).passed


@pytest.mark.parametrize("name", AIMS)
def test_nothing_is_lost_by_dropping_candidates_and_offers(name, documents, quotes):
    whole = plan(workload(objective=AIMS[name]), quotes, prune=False, explain=False)
    assert whole.status == "optimal"
    value = documents[name]["objective"]["value"]
    assert whole.objective["value"] == pytest.approx(value, rel=2e-4)
    then = documents[name]["certificate"]["then"]["objective"]
    assert whole.certificate["then"]["objective"] == pytest.approx(then, rel=2e-4)


def test_each_plan_is_best_by_its_own_objective(documents, quotes):
    """No plan beats another one at what that one makes smallest."""
    figures = {"gpus": "gpus", "energy": "energy_kwh_per_hour", "carbon": "carbon_kg_per_hour"}
    same = {"pue": 1.3, "grid_gco2e_per_kwh": GRIDS}
    plans = {
        aim: plan(workload(objective={"minimize": aim, **same}), quotes, explain=False).to_dict()
        for aim in ("cost", *figures)
    }
    for aim, figure in figures.items():
        assert plans[aim][figure] <= min(p[figure] for p in plans.values()) * (1 + 1e-4)
        assert plans[aim]["cost_per_hour_usd"] >= plans["cost"]["cost_per_hour_usd"]
    # Every figure can be had for less, at a price.
    assert plans["carbon"]["carbon_kg_per_hour"] < plans["cost"]["carbon_kg_per_hour"]


def test_figures_of_a_cost_plan_by_hand(quotes):
    """TDP of what is bought; energy = 1.3 · (idle tenth of it + 0.9 · load); carbon at 473 g."""
    document = plan(workload(), quotes, explain=False).to_dict()
    chips = quotes.accelerators
    offers = {o.offer_id: o for o in quotes.offers}
    rated = sum(
        p["nodes"]
        * offers[p["offer_id"]].gpus_per_node
        * chips[offers[p["offer_id"]].accelerator].tdp_w
        for p in document["purchases"]
    )
    busy = sum(
        p["tp"]
        * p["pp"]
        * p["serves"]["chat"]
        * 20
        / p["admits_rps"]["chat"]
        * chips[p["accelerator"]].tdp_w
        for p in document["pools"]
    )
    assert document["power_kw"] == pytest.approx(rated / 1000)
    energy = 1.3 * (0.1 * rated + 0.9 * busy) / 1000
    assert document["energy_kwh_per_hour"] == pytest.approx(energy)
    assert document["carbon_kg_per_hour"] == pytest.approx(0.473 * energy)
    assert document["objective"] == {
        "minimize": "cost",
        "unit": "USD/h",
        "value": document["cost_per_hour_usd"],
        "then": None,
        "maximize": None,
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(power_kw=1.0), "board power"),
        (lambda d: d.update(energy_kwh_per_hour=0.1), "energy of an hour"),
        (lambda d: d.update(carbon_kg_per_hour=0.1), "carbon of an hour"),
        (lambda d: d["objective"].update(value=1e-3), "its carbon is"),
        (lambda d: d["objective"].update(minimize="gpus"), "wants carbon smallest"),
        (lambda d: d["certificate"].update(bound=1e3), "is above the objective"),
        (lambda d: d["certificate"]["then"].update(gap=0.3), "is 0.000000%, not 0.3"),
        (lambda d: d["certificate"]["then"].update(objective=1.0), "its cost is"),
    ],
)
def test_a_changed_figure_is_found(change, sentence, documents, quotes):
    document = copy.deepcopy(documents["carbon"])
    change(document)
    assert any(sentence in failure for failure in checked(document, quotes).failures)


def test_the_cheapest_fleet_stands_beside_a_plan_that_costs_more(documents):
    document = documents["carbon"]
    (other,) = document["alternatives"]
    assert other["kind"] == "cheapest"
    assert other["proven"]
    assert other["cost_per_hour_usd"] < document["cost_per_hour_usd"]
    assert other["objective_value"] > document["objective"]["value"]
    assert "outdone" in {w["reason"] for w in document["why_not"]}


def test_accelerators_of_unknown_power_are_left_out_or_named(tmp_path):
    """A TPU has no published board power: fine for cost, of no use for energy."""
    tpu = {
        **rows()[0],
        "offer_id": "tpu",
        "accelerator": "tpu_v5e",
        "price_per_node_hour_usd": "0.6",
    }
    only = Catalog.load(offers=write_table(tmp_path / "tpu.csv", [tpu]))
    with pytest.raises(WorkloadError, match=r"power of tpu_v5e is not known; give tdp_w"):
        plan(workload(objective="energy"), only)
    both = Catalog.load(offers=write_table(tmp_path / "both.csv", [tpu, *rows()]))
    answer = plan(workload(objective="energy"), both, explain=False)
    assert answer.status == "optimal"
    assert all(p.accelerator != "tpu_v5e" for p in answer.pools)


def test_regions_without_a_figure_are_named(quotes):
    answer = plan(workload(objective="carbon"), quotes, explain=False)
    assert any("no grid is known for acme/" in w and "473 g" in w for w in answer.warnings)
    grids = answer.assumptions["footprint"]["grids"]
    assert all(g["default"] and g["zone"] == "world" for g in grids)


def test_an_infeasible_plan_has_an_objective_and_relaxations_in_dollars(quotes):
    hardware = {"max_gpus": 1, "accelerators": ["l40s"]}
    answer = plan(workload(objective="energy", hardware=hardware), quotes)
    assert answer.status == "infeasible"
    assert answer.objective["value"] is None
    assert any(r["field"] == "hardware.max_gpus" for r in answer.infeasibility["relaxations"])


def test_a_figure_for_a_region_that_is_not_there_is_refused(quotes):
    aim = {"grid_gco2e_per_kwh": {"by_region": {"acme/ue": 1}}}
    with pytest.raises(UnknownNameError, match="by_region: unknown region 'acme/ue'; did you mean"):
        plan(workload(objective=aim), quotes)


def test_offers_are_compared_by_cost_alone(quotes):
    with pytest.raises(WorkloadError, match="offers are compared by cost;"):
        compare(workload(objective="gpus"), quotes)
    with pytest.raises(WorkloadError, match="objective asks for load"):
        compare(workload().most_load_within(9.0), quotes)


@pytest.mark.parametrize(
    ("objective", "sentence"),
    [
        ("power", "objective.minimize should be 'cost', 'gpus', 'energy' or 'carbon'"),
        ({"minimise": "gpus"}, "unknown key 'objective.minimise'; did you mean 'minimize' or"),
        ({"minimize": "gpus", "then": "gpus"}, "then: gpus comes first already"),
        ({"grid_gco2e_per_kwh": {"by_region": {"eu": -1}}}, "greater than or equal to 0"),
        (
            {"grid_gco2e_per_kwh": {"by_region": {"eu": False}}},
            "by_region should have no true",
        ),
        ({"pue": 0.9}, "objective.pue should be greater than or equal to 1"),
    ],
)
def test_wrong_objectives_are_named(objective, sentence):
    with pytest.raises(WorkloadError) as error:
        workload(objective=objective)
    assert sentence in str(error.value)


def test_the_command_takes_what_to_make_smallest(tmp_path):
    content = {**json.loads(json.dumps(workload().to_dict())), "objective": {"pue": 1.1}}
    (tmp_path / "chat.json").write_text(json.dumps(content))
    offers = write_table(tmp_path / "offers.csv", rows())
    arguments = ["plan", str(tmp_path / "chat.json"), "--offers", str(offers)]
    answer = CliRunner().invoke(main, [*arguments, "--minimize", "gpus"])
    assert answer.exit_code == 0, answer.output
    assert "no fleet has fewer accelerators; none that is equal in that is cheaper" in " ".join(
        answer.output.split()
    )
    assert "kW of board power" in answer.output
    program = tmp_path / "program.lp"
    exported = [*arguments, "--minimize", "gpus", "--explain", "none", "--export", str(program)]
    assert CliRunner().invoke(main, exported).exit_code == 0
    # Nodes of 8 are charged 8, whatever they cost.
    assert "+8.0 m(" in program.read_text()
    document = json.loads(
        CliRunner().invoke(main, [*arguments, "--minimize", "energy", "--json"]).output
    )
    (tmp_path / "plan.json").write_text(json.dumps(document))
    again = CliRunner().invoke(
        main, ["verify", str(tmp_path / "plan.json"), "--offers", str(offers)]
    )
    assert again.exit_code == 0, again.output
    assert "kWh/h found, nothing below" in again.output
    assert document["workload"]["objective"]["pue"] == 1.1
    assert document["objective"]["minimize"] == "energy"
