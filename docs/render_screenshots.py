"""Writes the pictures of the web page in ``docs/images/``: a server of its own, a chromium.

Every view at 1280 and 390 pixels, light and dark, goes to a folder of one's choice with ``--all``;
look at them after changing the page.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fleet_story import NAME, tell  # noqa: E402
from live_server import serving, sqlite_url  # noqa: E402

from api.page.address import packed  # noqa: E402
from api.page.form.content import shortened  # noqa: E402
from api.page.quotes import read_quotes  # noqa: E402
from data.catalog import Catalog  # noqa: E402
from solver.workload import Workload  # noqa: E402

IMAGES = HERE / "images"

SHOWN = {
    "page-plan": ("plan", 1280, "light", 1000),
    "page-compare": ("compare", 1280, "light", 1430),
    "page-pareto": ("pareto", 1280, "dark", 960),
    "page-diff": ("diff", 1280, "light", 900),
    "page-workload": ("workload", 1280, "light", 1500),
    "page-prices": ("prices", 1280, "light", 1000),
}
"""Pictures of the documentation: view, width, theme and height."""


def paths(client: Any) -> dict[str, tuple[str, str]]:
    """Return the views: name → path, and what is there once it is shown."""
    chat, split = (packed(_workload(f"{n}.yaml")) for n in ("chat-70b", "rag-8k-two-classes"))
    file = ROOT / "examples" / "compare" / "quotes.csv"
    quotes = packed(read_quotes(file.read_bytes(), file.name, Catalog.load()))
    first, second = (
        client.post("/v1/plans", json=_workload("chat-70b.yaml") | more).json()["id"]
        for more in ({}, {"hardware": {"pricing": ["on_demand", "spot"], "providers": ["verda"]}})
    )
    poor = packed(_workload("budget-infeasible.yaml"))
    return {
        "plan": (f"/?w={split}", ".chip"),
        "infeasible": (f"/?w={poor}", ".chip"),
        "split": (f"/?w={packed(_workload('disaggregated-long-prompts.yaml'))}", ".chip"),
        "compare": (f"/compare?w={chat}&q={quotes}", ".ranked"),
        "empty-compare": (f"/compare?w={chat}", ".welcome"),
        "pareto": (f"/pareto?w={chat}&of=tpot_ms", ".point h3"),
        "history": ("/history", ".q-table"),
        "diff": (f"/diff?a={first}&b={second}", ".named"),
        "stored": (f"/plans/{first}", ".chip"),
    }


def story_paths(client: Any) -> dict[str, tuple[str, str]]:
    """Return the views of a server whose prices move: name → path, and what is there."""
    tell(client)
    return {
        "workloads": ("/workloads", ".chip"),
        "workload": (f"/workloads/{NAME}", ".chip"),
        "prices": ("/prices?accelerator=h100_sxm&provider=acme", ".chip"),
    }


def _workload(name: str) -> dict[str, Any]:
    return shortened(Workload.load(ROOT / "examples" / name).to_dict())


def picture(view: Any, height: int | None) -> bytes:
    """Return a view as WebP without loss; the whole of it where no height is given."""
    from PIL import Image

    clip = None if height is None else {"x": 0, "y": 0, "width": 1280, "height": height}
    raw = view.screenshot(full_page=True, **({} if clip is None else {"clip": clip}))
    out = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").save(out, "WEBP", lossless=True, method=6)
    return out.getvalue()


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="Write every view there.")
    everything: Path | None = parser.parse_args().all
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        parser.error("no chromium is found; install it first.")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = driver.chromium.launch(executable_path=found, args=options)
        moved = folder / "moved"
        moved.mkdir()
        with (
            serving(sqlite_url(folder), folder, page=True) as server,
            server.client() as client,
            serving(sqlite_url(moved), moved, page=True, workers=1) as other,
            other.client() as other_client,
        ):
            views = {n: (server.url + p, sign) for n, (p, sign) in paths(client).items()} | {
                n: (other.url + p, sign) for n, (p, sign) in story_paths(other_client).items()
            }
            for out, (url, sign), width, scheme, height in wanted(views, everything):
                view = browser.new_page(
                    viewport={"width": width, "height": 900}, color_scheme=scheme
                )
                view.goto(url)
                view.wait_for_selector(sign, timeout=120_000)
                view.wait_for_timeout(800)  # charts and fonts
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_bytes(picture(view, height))
                print(f"{out}  {out.stat().st_size / 1000:.0f} kB")
                view.close()


def wanted(
    views: dict[str, tuple[str, str]], everything: Path | None
) -> Iterator[tuple[Path, tuple[str, str], int, str, int | None]]:
    """Yield each picture: its file, its view, width, theme, and height where it is cut."""
    if everything is None:
        for name, (view, width, scheme, height) in SHOWN.items():
            yield IMAGES / f"{name}.webp", views[view], width, scheme, height
        return
    for name, view in views.items():
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                yield everything / f"{name}-{width}-{scheme}.webp", view, width, scheme, None


if __name__ == "__main__":
    main()
