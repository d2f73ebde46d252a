"""``minfleet replan --replay``: from files to the table, the document and the plot."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from api.cli import main
from api.schemas.base import undeclared_fields
from api.schemas.export import json_schema
from api.schemas.replay import ReplayDocument

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "replay"
ASKED = [
    "replan",
    str(EXAMPLES / "workload.yaml"),
    "--replay",
    str(EXAMPLES / "changes.csv"),
    "--offers",
    str(EXAMPLES / "offers.csv"),
]
CLOUD = """\
date,region,instance_type,kind,old_usd_h,new_usd_h,rel_change,commit
2026-05-19,us-east4,g2-standard-4,spot,0.40,0.42,0.05,a1
2026-05-19,us-west1,g2-standard-4,spot,0.45,0.30,-0.33,a1
2026-05-19,us-west1,g4-standard-12,spot,0.3,0.31,0.033,a1
"""


def run(*words):
    return CliRunner().invoke(main, list(words))


@pytest.fixture(scope="module")
def document():
    done = run(*ASKED, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_contract(document):
    cost = document["cost_usd"]
    assert set(cost) == {"policy", "never", "always", "clairvoyant"}
    assert cost["clairvoyant"] <= min(cost.values())
    assert document["switches"] == 1
    assert [d["outcome"] for d in document["decisions"]].count("must_switch") == 1
    assert sum(d["looks"] for d in document["decisions"]) == document["search"]["looks"] == 100
    assert document["certificate"]["bound"] <= cost["clairvoyant"]


def test_the_document_is_what_its_schema_says(document):
    Draft202012Validator(json_schema("replay")).validate(document)
    assert list(undeclared_fields(ReplayDocument.model_validate(document))) == []


def test_people_get_a_table_and_reasons(tmp_path):
    out, plot = tmp_path / "decisions.csv", tmp_path / "replay.svg"
    done = run(*ASKED, "--out", str(out), "--plot", str(plot))
    assert done.exit_code == 0, done.stderr
    for words in ("never switching", "clairvoyant", "Proven", "price_jump_pct", "looks"):
        assert words in done.stdout
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert rows[-1]["held_back_by"] == "min_disruption_score"
    assert "saved against never (USD)" in plot.read_text()


def test_a_file_of_a_cloud(tmp_path):
    changes = tmp_path / "gcp.csv"
    changes.write_text(CLOUD)
    workload = str(EXAMPLES / "workload.yaml")
    done = run("replan", workload, "--replay", str(changes), "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["path"]["from"] == "2026-05-18"
    assert [s["instance_type"] for s in found["skipped"]] == ["g4-standard-12"]
    assert "taken as that of the history, spot" in found["warnings"][0]
    one = run("replan", workload, "--replay", str(changes), "--region", "us-east4", "--json")
    assert set(json.loads(one.stdout)["path"]["prices"]) == {"gcp/us-east4/g2-standard-4/spot"}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([*ASKED, "--at", "2026-01-01"], "--at has no use with --replay"),
        ([*ASKED[:2], "--region", "eu-1"], "--region goes with --replay"),
        (ASKED[:2], "--current PLAN.json is missing; or give --replay"),
        ([*ASKED, "--to", "2026-01-01"], "give a later end"),
        ([*ASKED, "--provider", "west"], "no price changes among the offers"),
        ([*ASKED[:4], "--from", "2026-01-01"], "unknown offer 'north-h100'"),
    ],
)
def test_what_is_refused(words, fault):
    done = run(*words)
    assert done.exit_code == 2
    assert fault in done.stderr


def test_filters_that_the_history_has_nothing_of_are_left_out(tmp_path):
    changes, workload = tmp_path / "gcp.csv", tmp_path / "workload.yaml"
    changes.write_text(CLOUD)
    text = (EXAMPLES / "workload.yaml").read_text()
    workload.write_text(text + "hardware: {providers: [aws, gcp], pricing: [spot]}\n")
    done = run("replan", str(workload), "--replay", str(changes), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["workload"]["hardware"]["providers"] == ["gcp"]
    workload.write_text(text + "hardware: {providers: [gpc], pricing: [spot]}\n")
    wrong = run("replan", str(workload), "--replay", str(changes))
    assert "unknown provider 'gpc'; did you mean 'gcp'?" in wrong.stderr
