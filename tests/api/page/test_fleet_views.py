"""Registered workloads and prices on the page: what was decided and why, acceptance, approval."""

from __future__ import annotations

import pytest
from fleet_story import NAME, tell
from live_server import serving, sqlite_url
from page_checks import assert_readable


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A server whose prices moved: a proposal waits to be accepted, a refresh to be approved."""
    folder = tmp_path_factory.mktemp("moved")
    with serving(sqlite_url(folder), folder, page=True, workers=1) as running:
        with running.client() as client:
            running.story = tell(client)
        yield running


PATHS = {
    "/workloads": ".chip",
    f"/workloads/{NAME}": ".figures",
    "/prices?accelerator=h100_sxm&provider=acme": ".held",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_telephone_and_is_readable(opened, moved, scheme):
    size = {"width": 390, "height": 844}
    view = opened("/workloads", at=moved, viewport=size, color_scheme=scheme)
    for path, sign in PATHS.items():
        view.goto(path)
        view.wait_for_selector(sign)
        assert_readable(view, path, scheme)


def test_a_proposal_is_read_and_accepted_by_keyboard(opened, moved):
    view = opened("/workloads", at=moved)
    row = view.get_by_role("row", name=NAME)
    assert "waits for acceptance" in row.inner_text()
    row.get_by_role("link", name=NAME).press("Enter")
    view.wait_for_selector(".figures")
    words = view.locator("main").inner_text()
    with moved.client() as client:
        decision = client.get(f"/v1/decisions/{moved.story['decision']}").json()
        for reason in decision["reasons"]:
            assert reason in words
        for rule in decision["rules"]:
            assert rule["name"] in words
        assert f"${decision['change']['total_usd']:,.2f}" in words
        assert f"start {decision['steps'][0]['changes'][0]['replicas']} replicas" in words
        assert "14 new replicas on h100_sxm" in words
        view.get_by_role("button", name="Accept the proposal").press("Enter")
        view.get_by_text("Accepted on").wait_for()
        assert view.get_by_role("button", name="Accept the proposal").count() == 0
        after = client.get(f"/v1/workloads/{NAME}").json()
    assert after["plan_id"] == decision["proposed"]["id"]
    assert after["revision"] == 2


def test_a_held_refresh_is_approved(opened, moved):
    view = opened("/prices?accelerator=h100_sxm&provider=acme", at=moved)
    held = view.locator(".held")
    assert "acme/us/h100" in held.inner_text()
    assert "−85.7 %" in held.inner_text()
    held.get_by_role("button", name="Approve").click()
    held.wait_for(state="detached")
    view.get_by_text("the page").wait_for()
    with moved.client() as client:
        refresh = client.get(f"/v1/catalog/refreshes/{moved.story['held']}").json()
    assert (refresh["state"], refresh["decided_by"]) == ("accepted", "the page")


def test_what_is_not_there_is_said(opened, moved):
    view = opened("/workloads/nobody", at=moved)
    assert "No workload 'nobody' is registered" in view.locator(".fault").inner_text()
    view.goto("/prices?accelerator=nonsense")
    assert "unknown accelerator 'nonsense'" in view.locator(".fault").inner_text()
