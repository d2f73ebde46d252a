"""A frontier drawn, its points clicked, and the way from a point to its plan."""

from __future__ import annotations

import csv
import io

from live_server import SMALL

from api.page.address import packed

WORKLOAD = {**SMALL, "classes": [{"name": "chat", "rate_rps": 200, "isl": 512, "osl": 64}]}


def test_a_trade_off_is_drawn_and_its_points_lead_to_plans(opened, server):
    view = opened(f"/pareto?w={packed(WORKLOAD)}")
    view.get_by_role("button", name="Draw").click()
    view.wait_for_selector(".point h3")
    with server.client() as client:
        url = view.get_by_role("link", name="JSON").get_attribute("href")
        document = client.get(url).json()
        text = client.get(url.replace(".json", ".csv")).text
    points = document["points"]
    assert len(points) > 1, "the workload was chosen so that the target moves the cost"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [float(r["cost_per_hour_usd"]) for r in rows] == [p["cost_per_hour_usd"] for p in points]

    shown = view.locator(".point .cost")
    now = next(p for p in points if p["in_force"])
    assert shown.inner_text() == f"${now['cost_per_hour_usd']:,.2f} an hour"
    other = next(p for p in points if not p["in_force"])
    first = f"${other['cost_per_hour_usd']:,.2f} an hour"
    view.get_by_role("checkbox", name="Look at the fleet").first.click()
    view.wait_for_function("told => document.querySelector('.point .cost').innerText == told",
                           arg=first)  # fmt: skip
    view.get_by_role("checkbox", name="Look at the fleet").last.click()
    last = f"${points[-1]['cost_per_hour_usd']:,.2f} an hour"
    view.wait_for_function("told => document.querySelector('.point .cost').innerText == told",
                           arg=last)  # fmt: skip

    kept = opened(view.get_by_role("link", name="Link to this trade-off").get_attribute("href"))
    kept.wait_for_selector(".point h3")
    again = opened(view.url)
    again.wait_for_selector(".point h3")
    assert again.locator(".point .cost").inner_text() == kept.locator(".point .cost").inner_text()
    view.get_by_role("link", name="Plan with this level").click()
    view.wait_for_selector(".chip.good")
    assert view.locator(".headline .cost").inner_text() == last


def test_what_cannot_be_drawn_is_told(opened):
    wrong = {**WORKLOAD, "sla": {"tpot_ms": -1}}
    view = opened(f"/pareto?w={packed(wrong)}&of=tpot_ms")
    view.wait_for_selector(".head .fault")
    assert "sla.tpot_ms should be greater than 0" in view.locator(".head .fault").inner_text()
