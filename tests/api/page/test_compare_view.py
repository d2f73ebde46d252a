"""Quotes uploaded, their break-even found, wrong ones refused row by row."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from live_server import SMALL

from api.page.address import packed
from data.catalog import Catalog
from solver.comparison.comparison import compare
from solver.workload import Workload

HEAD = "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing"
QUOTES = f"""\
{HEAD},observed_at,source
ours-h100,acme,eu,h100_sxm,1,2.10,on_demand,2026-11-01,a quote
ours-l40s,acme,eu,l40s,1,0.90,on_demand,2026-11-01,a quote
"""
WORKLOAD = {**copy.deepcopy(SMALL), "hardware": {}}
PATH = f"/compare?w={packed(WORKLOAD)}"


@pytest.fixture
def quotes(tmp_path) -> Path:
    file = tmp_path / "quotes.csv"
    file.write_text(QUOTES)
    return file


def test_quotes_are_uploaded_and_their_break_even_is_found(opened, server, quotes):
    view = opened(PATH)
    view.set_input_files(".head input[type=file]", quotes)
    view.wait_for_selector(".ranked")
    expected = compare(Workload.parse(WORKLOAD), Catalog.load(quotes)).to_dict()
    shown = view.locator(".ranked li").all_inner_texts()
    assert shown == [f"{o['offer_id']} {o['sentence']}" for o in expected["offers"]]
    assert view.locator("svg text", has_text="part of the optimum").count() > 0

    loser = next(o for o in expected["offers"] if o["joint_share_pct"] == 0)
    price = loser["enters_at_usd_per_node_hour"]
    field = view.get_by_label(f"Price of {loser['offer_id']}")
    for amount, enters in ((price * 1.01, False), (price * 0.99, True)):
        before = view.locator(".ranked").inner_text()
        field.fill(f"{amount:.4f}")
        view.wait_for_function("before => document.querySelector('.ranked').innerText != before",
                               arg=before)  # fmt: skip
        bought = view.locator(".head .rent").inner_text()
        assert (loser["offer_id"] in bought) == enters

    again = opened(view.url)
    again.wait_for_selector(".ranked")
    assert again.locator(".ranked").inner_text() == view.locator(".ranked").inner_text()
    kept = opened(view.get_by_role("link", name="Link to this comparison").get_attribute("href"))
    kept.wait_for_selector(".ranked")
    assert kept.locator(".ranked").inner_text() == view.locator(".ranked").inner_text()
    url = view.get_by_role("link", name="CSV", exact=True).get_attribute("href")
    with server.client() as client:
        head, *rows = client.get(url).text.splitlines()
        assert client.get(url.replace(".csv", ".json")).json()["schema"] == "minfleet/comparison/v1"
    assert "enters_at_usd_per_node_hour" in head
    assert len(rows) == 2


def test_the_table_sorts(opened, quotes):
    view = opened(f"{PATH}&q={packed(rows_of(QUOTES))}")
    view.wait_for_selector(".figures-table tbody tr")
    first = "document.querySelector('.figures-table tbody td').innerText"
    head = view.locator(".figures-table th", has_text="$/node-hour")
    head.click()
    view.wait_for_function(f"{first} == 'ours-l40s'")
    head.click()
    view.wait_for_function(f"{first} == 'ours-h100'")


def rows_of(text: str) -> list[dict[str, str]]:
    names, *rows = (line.split(",") for line in text.splitlines())
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_every_wrong_row_is_told_and_nothing_is_taken(opened, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text(
        QUOTES + "ours-x,acme,eu,h1000,1,2,on_demand,2026-11-01,a quote\n"
        "ours-y,acme,eu,l40s,1,,on_demand,2026-11-01,a quote\n"
    )
    view = opened(PATH)
    view.set_input_files(".head input[type=file]", file)
    fault = view.locator(".head .fault")
    fault.wait_for()
    told = fault.inner_text()
    assert "line 4" in told
    assert "h1000" in told
    assert "line 5" in told
    assert view.locator(".quotes li").count() == 0


def test_offers_are_taken_from_the_catalogue(opened):
    view = opened(PATH)
    view.get_by_label("Take offers from the catalogue").fill("gpu-l40s")
    view.locator(".q-menu .q-item").first.click()
    view.keyboard.press("Escape")
    view.wait_for_selector(".quotes li")
    view.wait_for_selector(".ranked li")
