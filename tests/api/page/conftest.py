"""A browser and a server with its page; no view may ask another host, or end in an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from live_server import LiveServer, serving, sqlite_url

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PATIENCE_MS = 90_000
"""How long a view may take; noisy machines are slow."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The chromium of this machine; its driver runs a loop of events that others must not meet."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        if os.environ.get("MINFLEET_REQUIRE_OPTIONAL_TESTS"):
            pytest.fail("no chromium is found; install Debian's package chromium.")
        pytest.skip("no chromium is found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Without a user of its own, as in containers, chromium has no sandbox.
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        launched = driver.chromium.launch(executable_path=found, args=options)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the shipped catalogue in force, and its page."""
    folder = tmp_path_factory.mktemp("page")
    with serving(sqlite_url(folder), folder, page=True) as running:
        yield running


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Open views of the shared server, or of another one; look afterwards what they asked for.

    Each has a browser that remembers nothing.
    """
    contexts, requests, faults = [], [], []

    def go(path: str = "/", at: LiveServer | None = None, **options: Any) -> Any:
        at = at or request.getfixturevalue("server")
        given = {"viewport": {"width": 1280, "height": 900}, "base_url": at.url, **options}
        context = browser.new_context(**given)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        view = context.new_page()
        view.on("request", lambda r: requests.append(r.url))
        view.on("pageerror", lambda error: faults.append(str(error)))
        view.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        view.goto(path)
        return view

    yield go
    for context in contexts:
        context.close()
    hosts = {urlsplit(url).hostname for url in requests if url.startswith(("http", "ws"))}
    assert hosts <= {"127.0.0.1"}, "a view must need no other host"
    assert faults == []
