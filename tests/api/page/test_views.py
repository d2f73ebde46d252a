"""All views: narrow and wide, light and dark, with a name for each field; the past and its diff."""

from __future__ import annotations

import csv
import io

import pytest
from live_server import small
from page_checks import assert_readable

from api.page.address import packed


@pytest.fixture(scope="module")
def plans(server):
    """Two stored plans, the second for more load."""
    with server.client() as client:
        return [client.post("/v1/plans", json=small(rate)).json() for rate in (4.5, 600.5)]


@pytest.fixture(scope="module")
def paths(plans):
    workload = packed(small()["workload"])
    a, b = (p["id"] for p in plans)
    return {
        f"/?w={workload}": ".chip",
        f"/compare?w={workload}": ".welcome h2",
        f"/pareto?w={workload}": ".main-button",
        "/history": ".q-table tbody tr",
        f"/diff?a={a}&b={b}": ".named",
        f"/plans/{a}": ".chip",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_telephone_and_is_readable(opened, paths, scheme):
    """No view scrolls sideways, every field has a name, words have a contrast of WCAG's AA."""
    view = opened("/login", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    for path, sign in paths.items():
        view.goto(path)
        view.wait_for_selector(sign)
        assert_readable(view, path, scheme)


def test_two_plans_of_the_past_are_held_against_each_other(opened, server, plans):
    view = opened("/history")
    view.wait_for_selector(".q-table tbody tr")
    for plan in plans:
        row = view.locator("tbody tr", has=view.locator(f'a[href="/plans/{plan["id"]}"]'))
        row.get_by_role("checkbox").click()
    view.get_by_role("link", name="Show what differs").click()
    view.wait_for_selector(".named")
    words = view.locator("main").inner_text()
    assert "chat: rate_rps" in words
    more = plans[1]["cost_per_hour_usd"] - plans[0]["cost_per_hour_usd"]
    assert f"The second costs ${more:,.2f} an hour more" in words
    with server.client() as client:
        text = client.get(f"/download/diff.csv?a={plans[0]['id']}&b={plans[1]['id']}").text
        listed = client.get("/download/plans.csv").text
    rows = {(r["part"], r["what"]): r for r in csv.DictReader(io.StringIO(text))}
    rate = rows["workload", "chat: rate_rps"]
    assert (rate["first"], rate["second"]) == ("4.5", "600.5")
    assert {p["id"] for p in plans} <= {r["id"] for r in csv.DictReader(io.StringIO(listed))}


def test_history_is_filtered_by_its_address(opened, plans):
    view = opened("/history?status=infeasible&model=nothing-of-this-name")
    view.get_by_text("No plans here yet").wait_for()


def test_a_plan_that_is_not_there(opened):
    view = opened("/plans/plan-nope")
    assert "There is no plan 'plan-nope'" in view.locator(".fault").inner_text()


def test_the_theme_is_chosen_and_kept(opened):
    view = opened("/history", color_scheme="light")
    view.get_by_role("button", name="Light or dark").click()
    view.wait_for_selector("body.body--dark")
    view.reload()
    view.wait_for_selector("body.body--dark")
