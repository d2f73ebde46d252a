"""``minfleet catalog refresh``, ``refreshes`` and ``export`` on a store of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import main
from api.store.store import Store
from data.offers import shipped_offers

OFFERS = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,observed_at,source
acme/a,acme,eu,l4,4,2.00,on_demand,2026-11-20,quote
acme/b,acme,eu,l4,4,2.20,on_demand,2026-11-20,quote
bolt/a,bolt,eu,l4,4,2.40,on_demand,2026-11-20,quote
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command below ``minfleet catalog``; its exit status must be `status`."""
    monkeypatch.setenv("MINFLEET_STORE_URL", f"sqlite:///{tmp_path / 'store.db'}")

    def call(*words: object, status: int = 0) -> Result:
        found = CliRunner().invoke(main, ["catalog", *map(str, words)])
        assert found.exit_code == status, found.output
        return found

    return call


@pytest.fixture
def quotes(tmp_path: Path) -> Callable[..., Path]:
    """Write the offers with parts replaced."""

    def write(*changes: tuple[str, str]) -> Path:
        text = OFFERS
        for old, new in changes:
            text = text.replace(old, new)
        path = tmp_path / "quotes.csv"
        path.write_text(text)
        return path

    return write


def test_refresh_approve_and_plan_over_it(run, quotes, tmp_path):
    out = tmp_path / "all.csv"
    done = run("refresh", "--from", "csv", quotes(), "--out", out)
    assert "3 offers from 3 rows, beside 0 in force: 3 added" in done.stdout
    assert f"Written to {out}." in done.stdout
    assert len(out.read_text().splitlines()) == len(shipped_offers()) + 3 + 1
    held = run("refresh", "--from", "csv", quotes((",2.00,", ",4.00,")), "--json", status=1)
    document = json.loads(held.stdout)
    assert (document["schema"], document["state"]) == ("minfleet/catalog-refresh/v1", "held")
    listed = run("refreshes").stdout
    assert document["id"] in listed
    assert "1 price moves more than 60 %, acme/a from $2 to $4 (+100 %)" in listed
    shown = run("refreshes", document["id"]).stdout
    assert "+100 %" in shown
    assert "--approve" in shown
    approved = run("refreshes", "--approve", document["id"], "--by", "the buyer").stdout
    assert "approved by the buyer" in approved
    text = run("export", "--provider", "acme").stdout
    assert [line.split(",")[6] for line in text.splitlines()[1:]] == ["2.20", "4.00"]
    old = run("export", "--provider", "acme", "--snapshot", document["base_id"]).stdout
    assert [line.split(",")[6] for line in old.splitlines()[1:]] == ["2.00", "2.20"]
    assert "unknown snapshot 'x'" in run("export", "--snapshot", "x", status=2).stderr
    assert "is accepted" in run("refreshes", "--reject", document["id"], status=2).stderr
    assert "unknown refresh" in run("refreshes", "refresh-x", status=2).stderr


def test_a_refused_feed_is_told_on_stderr_and_recorded(run, quotes, tmp_path):
    run("refresh", "--from", "csv", quotes())
    path = quotes()
    path.write_text("<html>not here</html>")
    said = run("refresh", "--from", "csv", path, status=2)
    first, last = said.stderr.splitlines()
    assert "is a web page (HTML), not a price list" in first
    assert "stays in force. Recorded as refresh-" in last
    assert said.stdout == ""
    document = json.loads(run("refresh", "--from", "csv", path, "--json", status=2).stdout)
    assert (document["state"], document["catalog_id"]) == ("refused", None)
    gone = run("refresh", "--from", "csv", tmp_path / "none.csv", status=2)
    assert "no such file" in gone.stderr
    states = [r["state"] for r in json.loads(run("refreshes", "--json").stdout)["refreshes"]]
    assert states == ["refused", "refused", "refused", "accepted"]


def test_a_dry_run_makes_no_store(run, quotes, tmp_path):
    out = tmp_path / "all.csv"
    told = run("refresh", "--from", "csv", quotes(), "--dry-run", "--out", out)
    assert "these prices would come in force" in told.stdout
    assert out.exists()
    assert not (tmp_path / "store.db").exists()
    run("refresh", "--from", "csv", quotes())
    rest = quotes(("bolt/a,bolt,eu,l4,4,2.40,on_demand,2026-11-20,quote\n", ""))
    out.unlink()
    told = run("refresh", "--from", "csv", rest, "--dry-run", "--out", out, status=1)
    assert "bolt is gone: its offer would go." in told.stdout
    assert f"{out} was not written." in told.stdout
    assert not out.exists()
    assert "1 refresh\n" in run("refreshes").stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--from", "csv"), "csv reads files; give at least one"),
        (("--from", "gpuhunt", "x.csv"), "GPUHUNT_CATALOG_URL"),
        (("--from", "skypilot-csv", "x.csv"), "give --provider NAME"),
        (("--from", "skypilot-csv", "a", "b", "--provider", "aws"), "2 files and 1 providers"),
        (("--from", "csv", "x.csv", "--provider", "aws"), "belongs to skypilot-csv"),
        (("--from", "csv", "x.csv", "--observed-at", "soon"), "write it as YYYY-MM-DD"),
        (
            ("--from", "csv", "x", "--server", "http://a", "--store-url", "sqlite:///b"),
            "two places",
        ),
        (("--from", "mail"), "'gpuhunt'"),
        ((), "--from"),
    ],
    ids=str,
)
def test_what_is_asked_wrongly(run, words, named):
    found = run("refresh", *words, status=2)
    assert named in found.stderr
    assert found.stderr.count("\n") == 1


def test_three_things_to_do(run):
    assert "give one of them" in run("refreshes", "a", "--approve", "b", status=2).stderr


def test_a_store_that_a_server_holds(run, quotes, tmp_path):
    held = Store(f"sqlite:///{tmp_path / 'store.db'}")
    held.database.hold_alone()
    said = run("refresh", "--from", "csv", quotes(), status=2).stderr
    assert "a minfleet server holds this store; go through it with --server" in said
    run("refreshes")
    held.close()
    run("refresh", "--from", "csv", quotes())
