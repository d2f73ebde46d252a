"""The page on replays: its example is what is printed now, and what it names exists."""

from __future__ import annotations

import importlib
import re

import pytest


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "replay.md").read_text()


def test_the_example_is_what_is_printed_now(page, script, root, monkeypatch):
    render, marked = script("render_replay"), script("marked")
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "80")
    # How many decisions a second is another number each time.
    shown, now = (
        re.sub(r"\S+ a second", "", " ".join(text.split()))
        for text in (marked.between(page, "example"), render.printed(render.EXAMPLE))
    )
    assert shown == now, "run docs/render_replay.py"


def test_every_name_exists(page):
    for name in set(re.findall(r"`(solver\.[a-z_.]+)`", page)):
        assert importlib.import_module(name)


def test_every_history_has_both_policies(page, script):
    render, marked = script("render_replay"), script("marked")
    table = marked.between(page, "clouds")
    for case in render.CASES:
        rows = [line for line in table.splitlines() if line.startswith(f"| {case.title}:")]
        assert [row.split("|")[2].strip() for row in rows] == list(render.POLICIES)
