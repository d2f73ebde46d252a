"""``minfleet stack`` on the command line: worked examples bare, JSON, options and refusals."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from api.commands.stack import stack

COMMANDS = ["fleet", "bound", "wall", "kv", "batch", "tokens", "speculative", "allreduce"]


def run(*arguments: str, status: int = 0) -> str:
    """Return stdout of the command; its exit status must be `status`."""
    result = CliRunner().invoke(stack, list(arguments))
    assert result.exit_code == status, result.output
    return result.stdout


def document(*arguments: str, status: int = 0) -> dict:
    """Return the JSON document of the command."""
    return json.loads(run(*arguments, "--json", status=status))


def refusal(*arguments: str) -> str:
    """Return the one line on stderr of a command that refuses its input."""
    result = CliRunner().invoke(stack, list(arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_bare_stack_shows_the_worked_example():
    shown = run()
    for figure in ("223", "165", "118", "95", "53", "44", "$2,676.00", "$528.00", "5.1×"):
        assert figure in shown
    assert "⌈180 / 80⌉ = 3" in shown
    assert "all 120 orders" in shown
    found = document()
    assert [s["nodes"] for s in found["stages"]] == [223, 165, 118, 95, 53, 44]
    assert [s["gpus_per_node"] for s in found["stages"]] == [4, 2, 1, 1, 1, 1]
    assert found["order"]["order_independent"] is True


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_table_and_a_versioned_document(command):
    assert run(command)
    assert document(command)["schema"] == f"minfleet/stack-{command}/v1"


@pytest.mark.parametrize(
    ("command", "figures"),
    [
        ("fleet", ["202", "$626.20", "$450,864.00", "101", "50.0%", "$407.03", "145", "28.2%"]),
        ("bound", ["215", "1,076", "3,393", "37", "89.3%", "136", "433"]),
        ("wall", ["142.9", "14.3", "2.5"]),
        ("kv", ["1.34", "10.74", "42.95", "13 sequences"]),
        ("batch", ["54.55", "315", "$976.50"]),
        ("tokens", ["$0.87", "$1.85", "$1.11"]),
        ("speculative", ["3.3×", "8 ← best", "3.09×", "7–9", "5–12"]),
        ("allreduce", ["140", "70", "35", "17.5", "16,384", "8.46"]),
    ],
)
def test_bare_commands_show_the_worked_results(command, figures):
    shown = run(command)
    for figure in figures:
        assert figure in shown


def test_options_change_the_example():
    assert document("fleet", "--rate", "119")["fleets"][0]["nodes"] == 2
    one = document("bound", "--params-b", "70", "--layers", "80", "--hidden", "8192")
    assert {b["model"] for b in one["bounds"]} == {"70B"}
    assert len(document("bound", "--context", "8000", "--requests", "32")["bounds"]) == 6
    assert document("kv", "--tokens", "1")["sequences"][0]["kv_gb_per_sequence"] == 0.00032768
    assert document("tokens", "--price-per-hour", "3.6", "--tokens-per-s", "1000")["costs"][0][
        "cost_per_million_tokens_usd"
    ] == pytest.approx(1)
    assert document("speculative", "--acceptance", "1")["best"]["at_limit"] is True
    assert document("allreduce", "--tp", "16")["ranks"][0]["ranks"] == 16
    assert document("--gpus-per-node", "0")["stages"][0]["gpus_per_node"] == 3


def test_levers_from_a_file(tmp_path):
    file = tmp_path / "levers.yaml"
    file.write_text(
        "levers:\n"
        "  - {name: batching, throughput_factor: 1.5, price_factor: 0.9}\n"
        "  - name: '[red]drafting'\n"
        "    throughput_factor: 1.8\n"
        "    after: [{lever: batching, throughput_factor: 1.2}]\n",
        encoding="utf-8",
    )
    found = document("--levers", str(file))
    assert [s["nodes"] for s in found["stages"]] == [223, 149, 124]
    assert found["order"]["spread_nodes"] == 41
    shown = run("--levers", str(file))
    assert "up to 41 nodes" in shown
    assert "[red]drafting" in shown
    assert "$/node-h" in shown
    assert document("--levers", str(file), "--no-orders")["order"] is None


def test_a_measured_curve(tmp_path):
    file = tmp_path / "curve.csv"
    file.write_text("batch,throughput_rps,p99_ms\n16,44.123456789012345,80\n32,60,120\n")
    assert "← largest within" in run("batch", "--curve", str(file), "--p99-ms", "80")
    answer = document("batch", "--curve", str(file), "--p99-ms", "80")["answer"]
    assert (answer["point"]["batch"], answer["limited_by"]) == (16, "p99")
    between = document("batch", "--curve", str(file), "--p99-ms", "100")
    assert [p["batch"] for p in between["curve"]] == [16, 24, 32]


def test_no_batch_within_the_objective_is_a_proven_no(tmp_path):
    file = tmp_path / "curve.csv"
    file.write_text("batch,throughput_rps,p99_ms\n16,44,80\n")
    assert "No batch" in run("batch", "--curve", str(file), "--p99-ms", "50", status=1)
    assert document("batch", "--p99-ms", "41", status=1)["answer"]["fleet"] is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--rate", "0"], "load_rps is 0"),
        (["--rate", "nan"], "finite"),
        (["--utilization", "1.5"], "utilization is 1.5"),
        (["--gpus-per-node", "2"], "give at least 3"),
        (["--levers", "absent.yaml"], "absent.yaml"),
        (["--rate", "3", "fleet"], "--rate belongs after 'fleet'"),
        (["fleet", "--rate", "-5"], "load_rps is -5"),
        (["fleet", "--price-factor", "inf"], "price_factor is inf"),
        (["bound", "--layers", "80"], "go together"),
        (["bound", "--context", "80"], "go together"),
        (["bound", "--gqa-factor", "0.5"], "at least 1"),
        (["wall", "--params-b", "-1"], "--params-b is -1"),
        (["kv", "--tokens", "0"], "tokens is 0"),
        (["batch", "--p99-slope-ms", "0"], "give max_batch"),
        (["batch", "--curve", "absent.csv"], "absent.csv"),
        (["tokens", "--tokens-per-s", "10"], "go together"),
        (["speculative", "--accepted", "6"], "more than the 5 drafted"),
        (["speculative", "--acceptance", "2"], "probability"),
        (["allreduce", "--tp", "0"], "tp is 0"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, part):
    assert part in refusal(*arguments)
