"""``minfleet plan``: exit statuses, the document, files whole or not at all, export."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import highspy
import pytest

CONTRACT = {
    "": "schema status cost_per_hour_usd cost_per_month_usd cost_per_million_output_tokens_usd "
    "gpus pools purchases certificate search binding infeasibility alternatives why_not catalog "
    "assumptions warnings",
    "pools": "name role model accelerator offer_id provider region pricing engine "
    "weight_precision kv_precision tp pp ep batch_cap replicas nodes gpus cost_per_hour_usd "
    "serves predicted",
    "purchases": "offer_id nodes price_per_node_hour_usd cost_per_hour_usd",
    "predicted": "ttft_ms tpot_ms utilization kv_occupancy error_band_pct",
    "certificate": "engine objective bound gap wall_s check second_engine",
    "check": "passed rows_checked",
    "second_engine": "engine objective bound agrees",
    "catalog": "id observed_at",
}
"""Fields that every plan document has."""


def strict_json(text: str) -> dict:
    """Parse JSON, refusing NaN and Infinity, which other parsers do not read."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_plan_is_proven_and_status_is_0(planned):
    document, _ = planned
    assert document["status"] == "optimal"
    assert document["certificate"]["gap"] <= 1e-4
    assert document["certificate"]["check"]["passed"] is True


def test_the_document_has_the_fields_of_the_contract(planned):
    document, _ = planned
    pool, certificate = document["pools"][0], document["certificate"]
    parts = {
        "": document,
        "pools": pool,
        "purchases": document["purchases"][0],
        "predicted": pool["predicted"],
        "certificate": certificate,
        "check": certificate["check"],
        "second_engine": certificate["second_engine"],
        "catalog": document["catalog"],
    }
    for name, fields in CONTRACT.items():
        assert set(fields.split()) <= set(parts[name]), name
    assert set(pool["predicted"]["ttft_ms"]) == {"p50", "p90", "p95", "p99"}
    assert document["schema"] == "minfleet/plan/v1"
    assert document["cost_per_month_usd"] == pytest.approx(730 * document["cost_per_hour_usd"])


def test_json_and_the_file_are_the_same_document(planned):
    document, path = planned
    assert strict_json(path.read_text("utf-8")) == document
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_same_input_gives_the_same_document(invoke, workload, offers, planned):
    again = strict_json(invoke("plan", workload, "--offers", offers, "--json").stdout)
    first, _ = planned
    for document in (first, again):
        document["certificate"]["wall_s"] = document["search"]["seconds"] = None
    assert again == first


def test_people_get_cost_pools_and_proof(invoke, workload, offers, planned):
    document, _ = planned
    result = invoke("plan", workload, "--offers", offers)
    assert result.exit_code == 0
    shown = result.stdout
    assert shown.startswith(f"${document['cost_per_hour_usd']:,.2f} an hour")
    assert shown.index("pool") < shown.index("Proof") < shown.index("Other plans")
    assert "Proven: no cheaper fleet exists." in shown
    for pool in document["pools"]:
        assert f"{pool['replicas']} × {pool['accelerator']} TP{pool['tp']}" in shown
        assert pool["offer_id"] in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_screen_and_end_where_they_end(
    invoke, workload, offers, columns, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = invoke("plan", workload, "--offers", offers).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert [line for line in lines if line != line.rstrip()] == []
    assert len(lines) <= 45


def test_class_names_are_printed_as_they_are(invoke, write_workload, offers):
    odd = "[/red] {x} %d \u4e2d"
    file = write_workload(classes=[{"name": odd, "rate_rps": 5, "isl": 512, "osl": 64}])
    result = invoke("plan", file, "--offers", offers, "--explain", "none")
    assert result.exit_code == 0, result.output
    assert f"serves {odd}" in result.stdout


def test_out_leaves_no_other_file(invoke, workload, offers, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    written = invoke("plan", workload, "--offers", offers, "--explain", "none", "--out", path)
    assert written.exit_code == 0
    assert strict_json(path.read_text("utf-8"))["status"] == "optimal"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    from api.write import write_atomically
    from data.errors import InputError

    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_atomically(path, "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("plan.json", "old")]


def test_a_link_is_followed_and_a_pipe_stays_a_pipe(tmp_path):
    from api.write import check_writable, write_atomically

    file, link, pipe = tmp_path / "plan.json", tmp_path / "latest.json", tmp_path / "pipe"
    file.write_text("old")
    link.symlink_to(file)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    os.mkfifo(pipe)
    check_writable(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_infeasible_is_an_answer_with_status_1(invoke, write_workload, offers):
    file = write_workload(hardware={"max_cost_per_hour_usd": 1})
    result = invoke("plan", file, "--offers", offers, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    document = strict_json(result.stdout)
    assert document["status"] == "infeasible"
    assert document["cost_per_hour_usd"] is None
    (budget,) = (
        r
        for r in document["infeasibility"]["relaxations"]
        if r["field"] == "hardware.max_cost_per_hour_usd"
    )
    assert budget["from"] == 1
    assert budget["to"] == budget["cost_per_hour_usd"]
    shown = invoke("plan", file, "--offers", offers)
    assert shown.exit_code == 1
    assert "Proven: no fleet meets the workload within its limits." in shown.stdout
    assert "hardware.max_cost_per_hour_usd: 1 → " in shown.stdout


def test_the_relaxed_budget_makes_the_plan_possible(invoke, write_workload, offers, planned):
    document, _ = planned
    least = document["cost_per_hour_usd"]
    file = write_workload(hardware={"max_cost_per_hour_usd": least})
    again = invoke("plan", file, "--offers", offers, "--explain", "none", "--json")
    assert strict_json(again.stdout)["cost_per_hour_usd"] == least


def test_a_target_nothing_can_meet_is_proven_impossible(invoke, write_workload, offers):
    file = write_workload(sla={"ttft_ms": 1, "tpot_ms": 40})
    result = invoke("plan", file, "--offers", offers, "--explain", "none")
    assert result.exit_code == 1, result.stdout


@pytest.mark.parametrize("status", ["feasible", "unknown"])
def test_no_proof_in_time_is_status_3(invoke, workload, offers, status, monkeypatch):
    import dataclasses

    import solver.planner

    real = solver.planner.plan

    def unproven(*arguments: object, **options: object) -> object:
        found = real(*arguments, **options)
        if status == "unknown":
            empty = {"pools": (), "purchases": (), "classes": (), "cost_per_hour_usd": None}
            found = dataclasses.replace(found, **empty)
        return dataclasses.replace(found, status=status)

    monkeypatch.setattr(solver.planner, "plan", unproven)
    result = invoke("plan", workload, "--offers", offers, "--explain", "none")
    assert result.exit_code == 3
    assert "Proven:" not in result.stdout


def test_a_plan_that_fails_its_check_is_status_1(invoke, workload, offers, monkeypatch):
    from solver.checker import Check, PlanChecker

    monkeypatch.setattr(PlanChecker, "check", lambda self: Check(7, ("two and two are five",)))
    result = invoke("plan", workload, "--offers", offers, "--explain", "none")
    assert result.exit_code == 1
    assert "Not proven" in result.stdout
    assert "two and two are five" in result.stdout


def test_measured_capacities(invoke, write_workload, offers, measured):
    file = write_workload(classes=[{"name": "chat", "rate_rps": 30}], sla=None)
    result = invoke("plan", file, "--offers", offers, "--measured", measured, "--json")
    assert result.exit_code == 0, result.output
    document = strict_json(result.stdout)
    # 2 replicas of one H100 and one L40S leave 2 requests/s: 3 × $0.80 + 2 × $2.50 serves 40.
    assert document["cost_per_hour_usd"] == pytest.approx(5.8)
    shown = invoke("plan", file, "--offers", offers, "--measured", measured, "--explain", "none")
    assert "measured" not in shown.stdout.split("Proof")[0]


def test_no_explain_leaves_explanations_out(invoke, workload, offers):
    result = invoke("plan", workload, "--offers", offers, "--explain", "none", "--json")
    document = strict_json(result.stdout)
    assert [document[k] for k in ("binding", "why_not", "alternatives")] == [[], [], []]
    shown = invoke("plan", workload, "--offers", offers, "--explain", "none").stdout
    assert "Other plans" not in shown


def test_no_second_engine(invoke, workload, offers):
    arguments = ("plan", workload, "--offers", offers, "--explain", "none", "--no-second-engine")
    assert strict_json(invoke(*arguments, "--json").stdout)["certificate"]["second_engine"] is None


@pytest.mark.parametrize("ending", [".lp", ".mps"])
def test_another_solver_reads_the_export_and_finds_the_same_cost(
    invoke, write_workload, offers, tmp_path, ending
):
    path = tmp_path / f"program{ending}"
    file = write_workload(
        classes=[
            {"name": "chat", "rate_rps": 30, "isl": 1024, "osl": 256},
            {"name": "rag", "rate_rps": 3, "isl": 8000, "osl": 200, "sla": {"ttft_ms": 2000}},
        ],
        hardware={"max_gpus": 40, "spare_replicas": 1},
    )
    result = invoke(
        "plan", file, "--offers", offers, "--explain", "none", "--json", "--export", path
    )
    assert result.exit_code == 0, result.output
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("mip_rel_gap", 1e-6)
    assert solver.readModel(str(path)) != highspy.HighsStatus.kError
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    cost = strict_json(result.stdout)["cost_per_hour_usd"]
    assert solver.getInfo().objective_function_value == pytest.approx(cost, rel=1e-4)


def test_quiet_in_a_pipe(workload, offers):
    """A real process: nothing on stderr, no colour codes, a document another program can read."""
    ended = subprocess.run(
        [Path(sys.executable).parent / "minfleet", "plan", workload, "--offers", offers],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
