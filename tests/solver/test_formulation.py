"""One small instance for each ``define_*`` function, where its rows alone decide the answer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from small_instances import candidate, chip, instance, offer

from data.grid import GridFactors
from solver import formulation
from solver.change import Change, WorthRules, kind_of
from solver.engines.highs import solve_highs
from solver.footprint import Footprint
from solver.instance import Caps, Instance
from solver.objective import Objective
from solver.program import Program, compile_program


def without(program: Program, rows: str) -> Program:
    """Return the program without the rows of one constraint."""
    kept = np.array([name != rows for name in program.row_names])
    assert not kept.all(), f"the program has no rows {rows!r}"
    return replace(
        program,
        matrix=program.matrix[np.nonzero(kept)[0]],
        row_low=program.row_low[kept],
        row_high=program.row_high[kept],
        row_names=tuple(name for name, k in zip(program.row_names, kept, strict=True) if k),
    )


def optimum(case: Instance, *, drop: str = "") -> float | None:
    """Return the least cost, with the rows of one constraint left out; None if infeasible."""
    program = compile_program(case)
    if drop:
        program = without(program, drop)
    return solve_highs(program, gap=0.0, time_limit_s=10.0).objective


def test_every_constraint_has_a_test_here():
    defined = {name for name in vars(formulation) if name.startswith("define_")}
    tested = {name.replace("test_", "define_") for name in globals() if name.startswith("test_")}
    assert defined <= tested, f"no test of {sorted(defined - tested)}"


def test_variables():
    # 3 replicas; the node at $1 has a stock of 1, the others cost $5.
    offers = [offer(price=1, name="cheap", stock=1), offer(price=5, name="dear")]
    assert optimum(instance((3,), [candidate(1)], offers)) == pytest.approx(1 + 2 * 5)
    plenty = [replace(offers[0], stock=None), offers[1]]
    assert optimum(instance((3,), [candidate(1)], plenty)) == pytest.approx(3)


def test_variables_have_bounds_that_any_useful_fleet_keeps():
    # 2.5 + 0.25 replicas of load and 1 spare: 4 replicas on 2 nodes of 2.
    case = instance((10, 1), [candidate(4, 4)], [offer(gpus=2)], spare_replicas=1)
    program = compile_program(case)
    high = {k: program.col_high[program.find(k)].tolist() for k in "nmx"}
    assert high == {"n": [4], "m": [2], "x": [1, 1]}
    assert (program.col_low == 0).all()
    whole = dict(zip(program.kind, program.integer, strict=True))
    assert whole == {"n": True, "m": True, "h": True, "x": False, "y": True}


def test_objective():
    # Cost: 2 nodes at $1.23 and 3 at $4.56.
    case = instance(
        (2, 3),
        [candidate(1, 0), candidate(0, 1, accelerator="b")],
        [offer("a", price="1.23"), offer("b", price="4.56")],
    )
    assert optimum(case) == pytest.approx(2 * 1.23 + 3 * 4.56)
    assert optimum(replace(case, objective=Objective("gpus"))) == pytest.approx(5)
    # Energy of 2 replicas of 400 W and 3 of 700 W, all busy, at a PUE of 1.5.
    chips = {n: replace(chip(n), tdp_w=w) for n, w in (("a", 400.0), ("b", 700.0))}
    energy = Objective("energy", Footprint(1.5, 0.2, chips, GridFactors()))
    assert optimum(replace(case, objective=energy)) == pytest.approx(1.5 * (2 * 0.4 + 3 * 0.7))
    # A spare replica of each draws a fifth of its power.
    spared = replace(case, rates_rps=(2.0, 2.0), caps=Caps(spare_replicas=1), objective=energy)
    idle = 1.5 * 0.2 * (0.4 + 0.7)
    assert optimum(spared) == pytest.approx(1.5 * (2 * 0.4 + 2 * 0.7) + idle)


def test_held():
    # The fewest accelerators are 1 (b, $9); the cheapest 3 (a, $3); held to 1 it is $9.
    offers = [offer("a", price=1), offer("b", price=9)]
    case = instance((3,), [candidate(1), candidate(3, accelerator="b")], offers)
    held = replace(case, caps=Caps(held=((Objective("gpus"), 1.0),)))
    assert optimum(held) == pytest.approx(9)
    assert optimum(held, drop="held") == pytest.approx(3)


def test_serve_all():
    case = instance((2,), [candidate(1)], [offer(price=3)])
    assert optimum(case) == pytest.approx(6)
    assert optimum(case, drop="serve_all") == pytest.approx(0)


def test_serve_all_of_a_class_that_nothing_serves():
    case = instance((2, 1), [candidate(1, 0)], [offer(price=3)])
    assert optimum(case) is None


def test_capacity():
    # Loads 2.4 and 0.3 add up to 2.7 replicas; without the row one is enough for a share.
    case = instance((12, 3), [candidate(5, 10)], [offer(price=2)])
    assert optimum(case) == pytest.approx(3 * 2)
    assert optimum(case, drop="capacity") == pytest.approx(1 * 2)


def pair(links: tuple[float, ...], place: tuple[str, str] = ("acme", "eu"), kv: str = "bf16"):
    """Return a prefill and a decode candidate, half a replica of load each."""
    return [
        candidate(2, role="prefill", links=links),
        candidate(2, accelerator="b", role="decode", place=place, kv=kv),
    ]


def nodes_for_pairs(place: tuple[str, str] = ("acme", "eu")):
    return [offer("a", price=1, network=100), offer("b", price=5, network=100, place=place)]


def test_kv_link():
    # The KV of 1 request/s takes 2.2 networks of a prefill replica: 3 replicas, though 1 computes.
    case = instance((1,), pair(links=(1 / 2.2,)), nodes_for_pairs())
    assert optimum(case) == pytest.approx(3 * 1 + 5)
    assert optimum(case, drop="kv_link") == pytest.approx(1 + 5)


def test_handover():
    # What a prefill pool starts a decode pool must finish ($5) …
    case = instance((1,), pair(links=(9,)), nodes_for_pairs())
    assert optimum(case) == pytest.approx(1 + 5)
    assert optimum(case, drop="handover") == pytest.approx(1)


@pytest.mark.parametrize(("place", "kv"), [(("acme", "us"), "bf16"), (("acme", "eu"), "fp8")])
def test_handover_stays_at_one_location_in_one_format(place, kv):
    case = instance((1,), pair(links=(9,), place=place, kv=kv), nodes_for_pairs(place))
    assert optimum(case) is None
    assert optimum(case, drop="handover") == pytest.approx(1)


def test_presence():
    # A quarter of a replica: the relaxation without the row buys a quarter of a node.
    case = instance((1,), [candidate(4)], [offer(price=8)])

    def relaxed(program: Program) -> float | None:
        whole = np.zeros(program.columns, dtype=bool)
        loose = replace(program, integer=whole)
        return solve_highs(loose, gap=0.0, time_limit_s=10.0).objective

    program = compile_program(case)
    assert relaxed(program) == pytest.approx(8)
    assert relaxed(without(program, "presence")) == pytest.approx(2)
    assert optimum(case) == optimum(case, drop="presence") == pytest.approx(8)


def test_hosting():
    case = instance((2,), [candidate(1)], [offer(price=3)])
    assert optimum(case) == pytest.approx(6)
    assert optimum(case, drop="hosting") == pytest.approx(0)


def test_nodes():
    # 3 pairs in nodes of 3: one pair a node, though 2 nodes hold 6 accelerators.
    case = instance((3,), [candidate(1, tp=2)], [offer(gpus=3, price=10)])
    assert optimum(case) == pytest.approx(3 * 10)
    assert optimum(case, drop="nodes") == pytest.approx(0)


def test_nodes_are_shared_by_groups_of_all_sizes():
    # A node of 7 holds a group of 4, one of 2 and one of 1.
    groups = [candidate(1, 0, 0, tp=4), candidate(0, 1, 0, tp=2), candidate(0, 0, 1)]
    assert optimum(instance((1, 1, 1), groups, [offer(gpus=7, price=10)])) == pytest.approx(10)
    # Of 6, after the group of 4, 2 are left: the two small groups need another node.
    assert optimum(instance((1, 1, 1), groups, [offer(gpus=6, price=10)])) == pytest.approx(20)


def test_nodes_of_a_pipeline_across_nodes():
    # 2 stages of 4 need 2 nodes of 4 on a fast network; the cheap one is slow.
    across = candidate(1, tp=4, pp=2, crosses=True)
    offers = [offer(gpus=4, price=10, network=400), offer(gpus=4, price=1, network=100, name="o")]
    assert optimum(instance((1,), [across], offers)) == pytest.approx(20)
    assert optimum(instance((1,), [across], offers[1:])) is None


def test_spot_share():
    # 4 replicas, at $3 or, interruptible, at $1; half may be: 2 · 3 + 2 · 1.
    spot = replace(offer(price=1, name="spot"), pricing="spot", interruptible=True)
    case = instance((4,), [candidate(1)], [offer(price=3), spot], max_spot_share=0.5)
    assert optimum(case) == pytest.approx(2 * 3 + 2 * 1)
    assert optimum(case, drop="spot_share") == pytest.approx(4 * 1)


def test_nodes_of_interruptible_offers_have_room_for_what_is_interrupted():
    # 4 replicas of 2 accelerators take 2 nodes of 4, and with a quarter more 2.5: 3 nodes.
    spot = replace(offer(gpus=4, price=1), pricing="spot", interruptible=True)
    case = instance((4,), [candidate(1, tp=2)], [spot], spot_headroom=0.25)
    assert optimum(case) == pytest.approx(3)


def test_shared_stock():
    # 5 replicas; a price of $3 from one node on and of $2 from three on, four nodes in all.
    first = offer(price=3, name="a", stock=4)
    second = replace(first, price_per_node_hour_usd=Decimal(2), min_nodes=3)
    case = instance((5,), [candidate(1)], [first, second, offer(price=9, name="dear")])
    assert optimum(case) == pytest.approx(4 * 2 + 9)
    assert optimum(case, drop="shared_stock") == pytest.approx(4 * 2 + 3)


def test_spares():
    # 1.5 replicas of load: 2, and 1 spare.
    case = instance((3,), [candidate(2)], [offer(price=3)], spare_replicas=1)
    assert optimum(case) == pytest.approx(3 * 3)
    assert optimum(case, drop="spares") == pytest.approx(2 * 3)


def test_spares_are_kept_in_every_pool():
    # One pool of 2 and its spare cost $9; two pools of one each and their spares cost $10.
    apart = [candidate(1, 0), candidate(0, 1, accelerator="b")]
    offers = [offer("a", price=3), offer("b", price=2)]
    case = instance((1, 1), apart, offers, spare_replicas=1)
    assert optimum(case) == pytest.approx(2 * 3 + 2 * 2)
    together = instance((1, 1), [*apart, candidate(1, 1)], offers, spare_replicas=1)
    assert optimum(together) == pytest.approx(3 * 3)


def test_minimum_purchase():
    # One node is needed: 3 of the cheap offer cost $3, one of the other $2.50.
    offers = [offer(price=1, min_nodes=3, name="bulk"), offer(price="2.50", name="single")]
    case = instance((1,), [candidate(1)], offers)
    assert optimum(case) == pytest.approx(2.5)
    assert optimum(case, drop="minimum") == pytest.approx(1)
    assert optimum(case, drop="bought") == pytest.approx(1)
    # Two nodes: the 3 of the cheap offer are cheaper than 2 · $2.50.
    assert optimum(instance((2,), [candidate(1)], offers)) == pytest.approx(3)


def test_minimum_purchase_above_the_stock_is_never_sold():
    case = instance((1,), [candidate(1)], [offer(min_nodes=3, stock=2)])
    assert optimum(case) is None


def test_max_gpus():
    # The node of 8 is cheaper, but too large; idle accelerators count.
    case = instance(
        (1,),
        [candidate(1), candidate(1, accelerator="b")],
        [offer("a", gpus=8, price=4), offer("b", price=5)],
        max_gpus=7,
    )
    assert optimum(case) == pytest.approx(5)
    assert optimum(case, drop="max_gpus") == pytest.approx(4)


def test_max_power():
    # 3 accelerators of 300 W, or 3 of 75 W at twice the price: the limit is met to the watt.
    choices = [candidate(1), candidate(1, accelerator="c")]
    case = instance((3,), choices, [offer("a", price=1), offer("c", price=2)], max_power_kw=0.45)
    assert optimum(case) == pytest.approx(1 + 2 * 2)
    assert optimum(case, drop="max_power") == pytest.approx(3)
    exact = replace(case, caps=replace(case.caps, max_power_kw=0.449))
    assert optimum(exact) == pytest.approx(6)


def test_max_providers():
    # Either provider sells two at $1, and bolt more at $5: two at each, or all at bolt.
    offers = [
        offer(price=1, name="a", stock=2),
        offer(price=1, name="b", stock=2, place=("bolt", "eu")),
        offer(price=5, name="c", place=("bolt", "eu")),
    ]
    case = instance((4,), [candidate(1)], offers, max_providers=1)
    assert optimum(case) == pytest.approx(2 + 2 * 5)
    assert optimum(case, drop="max_providers") == pytest.approx(4)
    both = replace(case, caps=replace(case.caps, max_providers=2))
    assert "max_providers" not in compile_program(both).row_names


def test_budget():
    case = instance((2,), [candidate(1)], [offer(price="1.50")], max_cost_per_hour_usd=2.99)
    assert optimum(case) is None
    assert optimum(case, drop="budget") == pytest.approx(3)
    exact = replace(case, caps=replace(case.caps, max_cost_per_hour_usd=3.0))
    assert optimum(exact) == pytest.approx(3)


def test_quality():
    # 2 replicas of either: lossy $1 each, exact $3 each. At most half the class may be lossy.
    both = [candidate(1, loss=2.0), candidate(1, accelerator="b")]
    offers = [offer("a", price=1), offer("b", price=3)]
    case = instance((2,), both, offers, max_quality_loss_pct=1.0)
    assert optimum(case) == pytest.approx(1 + 3)
    assert optimum(case, drop="quality") == pytest.approx(2 * 1)
    assert optimum(instance((2,), both, offers, max_quality_loss_pct=0.0)) == pytest.approx(2 * 3)
    assert optimum(instance((2,), both, offers)) == pytest.approx(2 * 1)


def test_quality_counts_half_for_each_side_of_a_split_request():
    prefill, decode = pair(links=(9,))
    sides = [replace(prefill, loss_pct=2.0), decode]
    fits = instance((1,), sides, nodes_for_pairs(), max_quality_loss_pct=1.0)
    assert optimum(fits) == pytest.approx(1 + 5)
    tight = instance((1,), sides, nodes_for_pairs(), max_quality_loss_pct=0.9)
    assert optimum(tight) is None


def test_quality_holds_for_each_class_apart():
    # The lossless class may not make up for the other one.
    both = [candidate(1, 1, loss=2.0), candidate(1, 1, accelerator="b")]
    offers = [offer("a", price=1), offer("b", price=3)]
    case = instance((1, 1), both, offers, max_quality_loss_pct=1.0)
    assert optimum(case) == pytest.approx(1 + 3)
    strict = instance((1, 1), both, offers, max_quality_loss_pct=0.5)
    # At most a quarter of each class is lossy: 1.5 replicas are exact.
    assert optimum(strict) == pytest.approx(2 * 3)


def beside(case: Instance, running: dict[str, int], **more: object) -> Instance:
    """Return an instance beside a fleet of its first candidate: offer → replicas, a node each."""
    first = case.candidates[0]
    prices = {o.offer_id: float(o.hourly_usd) for o in case.offers}
    settings = {"sunk": {}, "payback_h": 10.0, "overlap_h": 2.0, "pool_usd": 0.0, **more}
    change = Change(
        pools={(kind_of(first), name): n for name, n in running.items()},
        nodes=running,
        price_usd={"gone": 7.0, **prices},
        candidates=(first,),
        **settings,
    )
    return replace(case, change=change)


def test_change():
    # 2 nodes at $4 run; others cost $3. Leaving costs 2 h of $4 over 10 h, $0.80 a node and hour.
    offers = [offer(price=4, name="old"), offer(price=3, name="new")]
    case = instance((2,), [candidate(1)], offers)
    assert optimum(beside(case, {"old": 2})) == pytest.approx(2 * 3 + 2 * 0.8)
    dear = beside(case, {"old": 2}, overlap_h=2.6)  # 1.04 a node is more than the dollar saved
    assert optimum(dear) == pytest.approx(2 * 4)
    # What is not sold any more must leave: $7 for 2 of 10 h.
    assert optimum(beside(case, {"gone": 1})) == pytest.approx(2 * 3 + 7 * 0.2)


def test_change_leaves_out_what_is_sunk():
    offers = [offer(price=4, name="old"), offer(price=3, name="new")]
    case = instance((2,), [candidate(1)], offers)
    # Both nodes are paid for whatever runs: to leave them saves nothing.
    assert optimum(beside(case, {"old": 2}, sunk={"old": 2})) == pytest.approx(2 * 4)
    # One is: it stays, the other leaves for $0.80.
    one = beside(case, {"old": 2}, sunk={"old": 1})
    assert optimum(one) == pytest.approx(4 + 3 + 0.8)
    # Idle commitments are used before anything is bought.
    assert optimum(beside(case, {"new": 2}, sunk={"old": 2})) == pytest.approx(2 * 4 + 2 * 0.6)


def test_changed_pools():
    # A cheaper node saves $1 an hour, two pools change: 2·F/10.
    offers = [offer(price=4, name="old"), offer(price=3, name="new")]
    case = instance((1,), [candidate(1)], offers)
    free = {"overlap_h": 0.0}
    assert optimum(beside(case, {"old": 1}, pool_usd=4.9, **free)) == pytest.approx(3 + 0.98)
    assert optimum(beside(case, {"old": 1}, pool_usd=5.1, **free)) == pytest.approx(4)
    # Of 3 replicas 1 is needed. To stop 2 saves $8 and changes one pool.
    assert optimum(beside(case, {"old": 3}, pool_usd=79.0, **free)) == pytest.approx(4 + 7.9)
    assert optimum(beside(case, {"old": 3}, pool_usd=200.0, **free)) == pytest.approx(3 * 4)


def test_least_saving():
    # Two of $4 run. Others cost $3, of which there is 1: at most $1 is saved.
    offers = [offer(price=4, name="old"), offer(price=3, name="new", stock=1)]
    case = instance((2,), [candidate(1)], offers)
    rules = WorthRules(most_usd=7.0, running_usd=8.0, per_replica_usd=None)
    assert optimum(beside(case, {"old": 2}, rules=rules)) == pytest.approx(7 + 0.8)
    tight = replace(rules, most_usd=6.9)
    assert optimum(beside(case, {"old": 2}, rules=tight)) is None
    assert optimum(beside(case, {"old": 2}, rules=tight), drop="least_saving") is not None


def test_disruption():
    # A replica that moves saves $1; asked for are ρ dollars each.
    offers = [offer(price=4, name="old"), offer(price=3, name="new")]
    case = instance((2,), [candidate(1)], offers)
    rules = WorthRules(most_usd=None, running_usd=8.0, per_replica_usd=1.0)
    assert optimum(beside(case, {"old": 2}, rules=rules)) == pytest.approx(2 * 3.8)
    tight = replace(rules, per_replica_usd=1.1)
    assert optimum(beside(case, {"old": 2}, rules=tight)) == pytest.approx(8)
    assert optimum(beside(case, {"old": 2}, rules=tight), drop="disruption") == pytest.approx(7.6)


def test_running():
    offers = [offer(price=4, name="old"), offer(price=3, name="new")]
    case = instance((2,), [candidate(1)], offers)
    assert optimum(beside(case, {"old": 2}, fixed=True)) == pytest.approx(8)
    assert optimum(beside(case, {"old": 3}, fixed=True)) == pytest.approx(12)
    assert optimum(beside(case, {"old": 1}, fixed=True)) is None
    assert optimum(beside(case, {"gone": 2}, fixed=True)) is None
