"""Plans from the form: live, the same as over REST, shared by link, refused kindly."""

from __future__ import annotations

import copy
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from live_server import SMALL, slow, until

from api.page.address import packed, unpacked

PROVEN = ".chip.good"


def link(workload) -> str:
    return f"/?w={packed(workload)}"


def cost(view) -> str:
    return view.locator(".cost").inner_text()


def asked(view) -> dict:
    """Return the workload in the view's address."""
    return unpacked(parse_qs(urlsplit(view.url).query)["w"][0])


def test_a_plan_from_the_form_is_that_of_rest(opened, server):
    view = opened(link(SMALL))
    view.wait_for_selector(PROVEN)
    before = cost(view)
    rate = view.get_by_label("Rate", exact=True)
    rate.fill("400")
    view.wait_for_function("before => document.querySelector('.cost')?.innerText != before",
                           arg=before)  # fmt: skip
    workload = copy.deepcopy(SMALL)
    workload["classes"][0]["rate_rps"] = 400
    assert asked(view) == workload
    with server.client() as client:
        answer = client.post("/v1/plans", json=workload)
    assert answer.headers["minfleet-cache"] == "hit", "the page asked the same service"
    plan = answer.json()
    assert cost(view) == f"${plan['cost_per_hour_usd']:,.2f} an hour"
    words = view.locator(".details").inner_text()
    assert f"HiGHS found a fleet for ${plan['certificate']['objective']:,.2f}" in words
    assert "OR-Tools CP-SAT, asked independently, confirms" in words
    assert plan["purchases"][0]["offer_id"] in words
    assert view.locator(".replica").count() == sum(p["replicas"] for p in plan["pools"])


def test_a_slider_solves_again_by_keyboard_alone(opened):
    view = opened(link(SMALL))
    view.wait_for_selector(PROVEN)
    before = cost(view)
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.innerText") == "Skip to the content"
    for _ in range(40):
        view.keyboard.press("Tab")
        if view.evaluate("document.activeElement.ariaLabel") == "Rate of class 1, slider":
            break
    assert view.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    view.keyboard.press("ArrowRight")
    view.wait_for_url(lambda _: asked(view)["classes"][0]["rate_rps"] == 4.2)
    view.keyboard.press("End")
    view.wait_for_function("before => document.querySelector('.cost').innerText != before",
                           arg=before)  # fmt: skip
    assert asked(view)["classes"][0]["rate_rps"] == 1000


def test_a_link_shows_the_same_plan_to_somebody_else(opened):
    first = opened(link(SMALL))
    first.wait_for_selector(PROVEN)
    first.get_by_role("button", name="Add a class").click()
    first.get_by_label("Name", exact=True).nth(1).fill("rag")
    first.wait_for_function("document.querySelector('.source')?.innerText.includes('rag')")
    second = opened(first.url)
    second.wait_for_selector(PROVEN)
    assert cost(second) == cost(first)
    assert second.get_by_label("Name", exact=True).nth(1).input_value() == "rag"
    kept = opened(first.get_by_role("link", name="Link to this plan").get_attribute("href"))
    assert cost(kept) == cost(first)


def test_a_file_fills_the_form_and_keeps_what_it_does_not_edit(opened, tmp_path):
    file = tmp_path / "workload.yaml"
    file.write_text(
        "schema: minfleet/workload/v1\nmodel: llama-3.1-8b-instruct\n"
        "classes:\n  - {name: docs, rate_rps: 2, isl: {mean: 900, p95: 2000}, osl: 50,"
        " sla: {ttft_ms: 1500}}\n"
        "hardware: {accelerators: [h100_sxm]}\nserving: {disaggregation: off}\n"
    )
    view = opened(link(SMALL))
    view.set_input_files(".form input[type=file]", file)
    view.wait_for_function("document.querySelector('.details').innerText.includes('serves docs')")
    assert view.get_by_label("Tokens in").input_value() == "900"
    view.get_by_label("Tokens in").fill("950")
    view.wait_for_url(lambda _: asked(view)["classes"][0]["isl"] == {"mean": 950, "p95": 2000})
    assert asked(view)["classes"][0]["sla"] == {"ttft_ms": 1500}


def test_an_error_stands_at_its_field_and_goes_when_it_is_mended(opened):
    view = opened(link(SMALL))
    view.wait_for_selector(PROVEN)
    target = view.get_by_label("Time to first token", exact=True)
    target.fill("-5")
    fault = view.locator(".form .fault")
    fault.wait_for()
    assert "sla.ttft_ms should be greater than 0" in fault.inner_text()
    assert "Traceback" not in view.content()
    assert view.locator(".q-field--error input").get_attribute("aria-label") == (
        "Time to first token"
    )
    target.fill("700")
    view.wait_for_selector(PROVEN)
    assert not fault.is_visible()
    assert view.locator(".q-field--error").count() == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: [", "workload.yaml"),
        ("just text", "must be a mapping"),
        ("model: llama-3.1-8b-instruct\n", "needs 'classes'"),
        ("model: lama-3.1-8b\nclasses: [{name: a, rate_rps: 1, isl: 9, osl: 9}]", "llama-3.1-8b"),
        ("model: phi-4\nclasses: [{name: a, rate: 1, isl: 9, osl: 9}]", "rate_rps"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(opened, tmp_path, text, told):
    file = tmp_path / "workload.yaml"
    file.write_text(text)
    view = opened(link(SMALL))
    view.wait_for_selector(PROVEN)
    view.set_input_files(".form input[type=file]", file)
    fault = view.locator(".form .fault")
    fault.wait_for()
    assert told in fault.inner_text()
    assert len(fault.inner_text().splitlines()) == 1


def test_what_cannot_be_served_says_what_to_give_up(opened):
    poor = {**SMALL, "hardware": {**SMALL["hardware"], "max_cost_per_hour_usd": 0.3}}
    view = opened(link(poor))
    view.wait_for_selector(".chip.bad")
    assert "What to give up" in view.locator(".details").inner_text()
    assert "$0.30 → $" in view.locator(".details").inner_text()


def test_a_damaged_link_is_told(opened):
    view = opened("/?w=abc")
    view.wait_for_selector(".fault:visible")
    assert "the link is damaged" in view.locator(".head").inner_text()
    view.wait_for_selector(PROVEN)


def test_a_plan_as_files(opened, server):
    view = opened(link(SMALL))
    view.wait_for_selector(PROVEN)
    urls = {
        name: view.get_by_role("link", name=name).get_attribute("href")
        for name in ("JSON", "Pools as CSV")
    }
    with server.client() as client:
        plan = json.loads(client.get(urls["JSON"]).text)
        head, *rows = client.get(urls["Pools as CSV"]).text.splitlines()
        assert client.get("/download/plans/plan-nope.json").status_code == 404
    assert cost(view) == f"${plan['cost_per_hour_usd']:,.2f} an hour"
    assert head.startswith("name,role,model,accelerator,offer_id")
    assert [r.split(",")[0] for r in rows] == [p["name"] for p in plan["pools"]]


def jobs_of(client, state):
    return {j["id"] for j in client.get("/v1/jobs", params={"state": state}).json()["jobs"]}


def test_what_is_superseded_is_given_up_unless_others_want_it(opened, server):
    """The page stops its own job as the form moves on, and never one that REST waits for, too."""
    with server.client() as client:
        before = jobs_of(client, "cancelled")
        view = opened(link(slow(31.5)["workload"]))
        first = until(lambda: jobs_of(client, "running"), "a job at work")
        view.get_by_label("Rate", exact=True).first.fill("77")
        until(lambda: jobs_of(client, "cancelled") - before == first, "the first is given up")
        second = until(lambda: jobs_of(client, "running") - first, "the second at work")
        view.wait_for_url(lambda _: asked(view)["classes"][0]["rate_rps"] == 77)
        sent = client.post("/v1/plans", json=asked(view), headers={"Prefer": "wait=0"})
        assert {sent.json()["id"]} == second, "both ask for the same job"
        view.get_by_role("button", name="Stop").click()
        assert client.post("/v1/plans", json=asked(view)).status_code == 200
        assert jobs_of(client, "cancelled") - before == first, "the second was wanted by others"
