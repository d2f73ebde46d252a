"""Portfolios: what scenarios make of prices, what is read of workloads, and what rows say."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measured_market import DAY, TWO_CHIPS, capacities, chat, market
from small_catalog import catalog

from data.coefficients import shipped_coefficients
from data.errors import InputError
from data.tables import columns
from solver.crew.crew import Crew
from solver.planner import plan
from solver.portfolio.entries import alike_of, load_portfolio
from solver.portfolio.portfolio import PortfolioRun
from solver.portfolio.row import ROWS, PortfolioGround, RowTask, solve_row
from solver.portfolio.scenarios import TODAY, load_scenarios
from solver.replan.policy import Policy

MOMENT = dt.datetime.combine(DAY, dt.time(12), dt.UTC)


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """L40S at 0.70 that admit 4 requests/s, H100 at 2.00 that admit 10; see `measured_market`."""
    return market(tmp_path_factory.mktemp("chips"), *TWO_CHIPS)


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


def scenarios(folder, text, today):
    path = folder / "scenarios.csv"
    path.write_text(text)
    return load_scenarios(path, today)


def prices(today, scenario):
    return {o.offer_id: o.price_per_node_hour_usd for o in scenario.catalog(today).offers}


def test_factors_of_a_scenario_multiply_and_its_filters_hold_together(tmp_path, quotes):
    """h100-2 is bolt's at 6.10: × 0.5 for its accelerator and × 2 for all. a100-8 is in us."""
    text = (
        "scenario,provider,accelerator,region,factor\n"
        "today,,,,\nmix,,H100-SXM5-80GB,eu,0.5\nmix,,,,2\nus,acme,a100_sxm_80gb,us,0.1\n"
    )
    today, mix, us = scenarios(tmp_path, text, quotes)
    assert [s.name for s in (today, mix, us)] == ["today", "mix", "us"]
    assert today.catalog(quotes) is quotes
    before, moved, cheaper = prices(quotes, today), prices(quotes, mix), prices(quotes, us)
    assert moved["h100-2"] == before["h100-2"] == Decimal("6.10")
    assert moved["h100-8"] == 2 * before["h100-8"]  # in us, so only the second row
    assert moved["l40s-1"] == Decimal("2.20")
    changed = {k for k in before if cheaper[k] != before[k]}
    assert changed == {"a100-8"}
    assert cheaper["a100-8"] == Decimal("1.360")


def test_a_scenario_may_have_offers_of_its_own(tmp_path, quotes):
    (tmp_path / "later.csv").write_text(
        "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,"
        "observed_at,source\nnew,acme,eu,h100_sxm,1,1.00,on_demand,,2026-07-01,a quote\n"
    )
    text = "scenario,offer,factor,offers\nlater,,,later.csv\nlater,new,1.5,\n"
    (later,) = scenarios(tmp_path, text, quotes)
    assert prices(quotes, later) == {"new": Decimal("1.500")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenario,provider,factor\na,acem,2", "line 2, column provider: unknown provider 'acem'"),
        ("scenario,accelerator,factor\na,h100,2\nb,b200,2", "line 3, column accelerator: unknown"),
        ("scenario,provider,region,factor\na,bolt,us,2", "no offer has provider 'bolt' and region"),
        ("scenario,provider,factor\na,acme,", "column factor: is empty; give the factor on"),
        ("scenario,factor\na,0", "column factor: 0 is out of bounds; it must be more than 0"),
        ("scenario,factor\na,-1", "out of bounds"),
        ("scenario,factor\n,2", "column scenario: is empty"),
        ("scenario,factr\na,2", "unknown column 'factr'; did you mean 'factor'"),
        ("scenario,offers\na,x.csv\na,y.csv", "scenario 'a' has an offers file already"),
        ("scenario,offers\na,x.csv", "no such file"),
    ],
)
def test_bad_scenarios_are_told_in_one_sentence(tmp_path, quotes, text, said):
    with pytest.raises(InputError) as told:
        scenarios(tmp_path, text, quotes)
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def entry_of(workload, **more):
    return {"workload": workload.to_dict(), **more}


@pytest.fixture
def forms(tmp_path):
    """The same two workloads as JSON lines, zipped, as a folder and as tables."""
    wanted = {"a": chat(20).to_dict(), "b": chat(4).to_dict()}
    lines = "".join(json.dumps({"name": n, "workload": w}) + "\n" for n, w in wanted.items())
    (tmp_path / "w.jsonl").write_text(lines)
    (tmp_path / "w.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "folder").mkdir()
    for name, content in wanted.items():
        (tmp_path / "folder" / f"{name}.json").write_text(json.dumps(content))
    rows = [{"name": n, "workload": f"folder/{n}.json", "current": None} for n in wanted]
    (tmp_path / "w.csv").write_text("name,workload\na,folder/a.json\nb,folder/b.json\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "w.parquet")
    return [tmp_path / n for n in ("w.jsonl", "w.jsonl.gz", "folder", "w.csv", "w.parquet")]


def test_every_form_of_a_portfolio_reads_the_same(forms):
    for path in forms:
        found = load_portfolio(path)
        again = list(found.read())
        assert found.count == len(again) == 2
        assert [e.name for e in again] == ["a", "b"]
        assert [e.fault for e in again] == ["", ""]
        assert again[0].workload == chat(20).to_dict()
        assert again[0].alike == again[1].alike  # but for the rate they are the same


def test_what_changes_in_a_portfolio_changes_its_digest(forms):
    for path in forms[2:4]:
        before = load_portfolio(path).digest
        assert load_portfolio(path).digest == before
        file = forms[2] / "b.json"
        file.write_text(file.read_text() + " ")
        assert load_portfolio(path).digest != before


def test_rates_and_names_do_not_tell_workloads_apart_but_lengths_do():
    one = {"model": "m", "classes": [{"name": "x", "rate_rps": 1, "isl": 10, "osl": 5}]}
    same = {"model": "m", "classes": [{"name": "y", "rate_rps": 9, "isl": 10, "osl": 5}]}
    other = {"model": "m", "classes": [{"name": "x", "rate_rps": 1, "isl": 11, "osl": 5}]}
    assert alike_of(one) == alike_of(same) != alike_of(other)


@pytest.mark.parametrize(
    ("files", "wanted", "said"),
    [
        ({"w.jsonl": ""}, "w.jsonl", "holds no workload"),
        ({}, "w.jsonl", "no such file"),
        ({"w.jsonl.gz": "no gzip"}, "w.jsonl.gz", "damaged or cut short"),
        ({"w.csv": "name,workload\na,x.yaml\na,y.yaml"}, "w.csv", "the name 'a' is there twice"),
        ({"w.csv": "name,wrkload\na,x.yaml"}, "w.csv", "unknown column 'wrkload'"),
        ({"w.parquet": "no parquet"}, "w.parquet", "cannot be read as Parquet"),
        ({"f/readme.txt": ""}, "f", "holds no workload"),
        ({"f/a.yaml": "", "f/a.json": ""}, "f", "two workloads called 'a'"),
    ],
)
def test_a_portfolio_that_cannot_be_read_at_all_is_refused(tmp_path, files, wanted, said):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        load_portfolio(tmp_path / wanted)


def ground(chips, *given, moment=MOMENT):
    return PortfolioGround(
        scenarios=given or (TODAY,),
        today=chips,
        coefficients=shipped_coefficients(),
        measured=capacities(),
        policy=Policy(),
        moment=moment,
        gap=1e-4,
        time_limit_s=10.0,
    )


def rows_of(path, given, part_rows=16):
    run = PortfolioRun(load_portfolio(path), given, part_rows)
    with Crew(ROWS, given, 1) as crew:
        return [row for part in run.parts(crew) for row in part]


def test_rows_by_hand(tmp_path, chips):
    """20 requests/s: 5 L40S at 0.70, or at twice that price 2 H100 at 2.00. 4: one L40S."""
    path = tmp_path / "w.jsonl"
    path.write_text("\n".join(json.dumps(entry_of(chat(r), name=f"r{r}")) for r in (20, 4)))
    text = "scenario,accelerator,factor\ntoday,,\ndear,l40s,2\n"
    rows = rows_of(path, ground(chips, *scenarios(tmp_path, text, chips)))
    assert [list(row) for row in rows] == [[c.column for c in columns("decisions")]] * 4
    told = [(r["workload"], r["scenario"], r["cost_per_hour_usd"], r["gpus"]) for r in rows]
    assert told == [
        ("r20", "today", pytest.approx(3.50), 5),
        ("r20", "dear", pytest.approx(4.00), 2),
        ("r4", "today", pytest.approx(0.70), 1),
        ("r4", "dear", pytest.approx(1.40), 1),
    ]
    assert {r["outcome"] for r in rows} == {"plan"}
    assert {r["status"] for r in rows} == {"optimal"}
    assert rows[0]["fleet"] == "5 × l40s"


def test_a_running_fleet_is_weighed_against_another(tmp_path, chips):
    """Two H100 run for 4.00; five L40S cost 3.50, 12.5 % less. At 0.70 × 1.2 they cost 4.20."""
    held = plan(
        chat(20, hardware={"accelerators": ["h100_sxm"]}),
        chips,
        measured=capacities(),
        as_of=DAY,
        explain=False,
    )
    assert held.cost_per_hour_usd == pytest.approx(4.00)
    path = tmp_path / "w.jsonl"
    path.write_text(json.dumps(entry_of(chat(20), name="a", current=held.to_dict())))
    text = "scenario,accelerator,factor\nfalls,l40s,0.5\nrises,l40s,1.2\n"
    falls, rises = rows_of(path, ground(chips, *scenarios(tmp_path, text, chips)))
    assert (falls["outcome"], rises["outcome"]) == ("switch", "keep")
    assert falls["current_cost_per_hour_usd"] == rises["cost_per_hour_usd"] == pytest.approx(4.00)
    assert falls["cost_per_hour_usd"] == pytest.approx(1.75)
    assert falls["saving_usd_per_hour"] == pytest.approx(2.25)
    assert falls["saving_pct"] == pytest.approx(56.25)
    assert falls["purchases"].startswith("5 ")
    assert (rises["gpus"], rises["nodes"]) == (2, 2)
    assert rises["reasons"]


def test_bad_workloads_are_rows_and_not_the_end(tmp_path, chips):
    good = entry_of(chat(4), name="good")
    bad_key = entry_of(chat(4), name="key")
    bad_key["workload"]["clases"] = []
    lines = [
        json.dumps(good),
        "not JSON",
        "[1, 2]",
        json.dumps({**good, "nmae": 1}),
        json.dumps(bad_key),
        json.dumps({**good, "current": {"schema": "something"}}),
        json.dumps({**good, "since": "yesterday", "current": None}),
        json.dumps({**good, "name": "late", "since": "yesterday", "current": {"pools": []}}),
        "",
        json.dumps(chat(4).to_dict()),
    ]
    path = tmp_path / "w.jsonl"
    path.write_text("\n".join(lines) + "\n")
    rows = rows_of(path, ground(chips))
    assert [r["outcome"] for r in rows] == ["plan", *["failed"] * 5, "plan", "failed", "plan"]
    assert [r["workload"] for r in rows][-1] == "line 10"
    said = [r["error"] or "" for r in rows]
    assert "line 2: not valid JSON" in said[1]
    assert "line 3: must be a workload" in said[2]
    assert "unknown key 'nmae'; did you mean 'name'" in said[3]
    assert "did you mean 'classes'" in said[4]
    assert "since 'yesterday' is no moment" in said[7]
    assert all(len(s.splitlines()) <= 1 and "gave up" not in s for s in said)


def test_what_nobody_thought_of_is_a_row_too(chips, monkeypatch):
    monkeypatch.setattr("solver.portfolio.row.plan", lambda *a, **k: 1 / 0)
    task = RowTask(next(iter_entries(chat(4))), 0, "today")
    row = solve_row(ground(chips), task)
    assert row["outcome"] == "failed"
    assert row["error"].endswith("gave up (ZeroDivisionError: division by zero); please report it.")


def iter_entries(workload):
    from solver.portfolio.entries import Entry

    yield Entry("a", "here", workload=workload.to_dict())


def test_a_run_that_goes_on_solves_what_is_left(tmp_path, chips):
    """Seven workloads under three scenarios in parts of four rows: 6 parts, from any of them on."""
    path = tmp_path / "w.jsonl"
    path.write_text("\n".join(json.dumps(entry_of(chat(r))) for r in range(3, 24, 3)))
    text = "scenario,factor\na,1\nb,2\nc,3\n"
    given = ground(chips, *scenarios(tmp_path, text, chips))
    run = PortfolioRun(load_portfolio(path), given, 4)
    assert run.rows == 21
    with Crew(ROWS, given, 1) as crew:
        whole = list(run.parts(crew))
        assert list(map(len, whole)) == [4, 4, 4, 4, 4, 1]
        for first in (1, 4, 5):
            assert list(run.parts(crew, first)) == whole[first:]
