"""What every view has around it: the way to the others, the theme, and who may look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse
from nicegui import ui

from api.page.ask import Asker, RefusedError
from api.page.login import login_url
from api.page.show.html import link, tag

VIEWS = (
    ("/", "Plan"),
    ("/compare", "Compare offers"),
    ("/pareto", "Trade-offs"),
    ("/history", "History"),
    ("/workloads", "Workloads"),
    ("/prices", "Prices"),
)
"""Path → name of the views in the navigation."""

HEAD = """
<link rel="stylesheet" href="/assets/page.css">
<script src="/assets/page.js"></script>
"""


async def admitted(request: Request) -> Asker | RedirectResponse:
    """Return who opened a view, or the way to log in."""
    asker = Asker.of(request)
    try:
        await asker.may("read")
    except RefusedError:
        target = request.url.path
        return RedirectResponse(login_url(f"{target}?{request.url.query}".rstrip("?")), 303)
    return asker


@contextmanager
def frame(asker: Asker, here: str, title: str) -> Iterator[None]:
    """Make the frame of a view; what is made within the context stands in its middle.

    Parameters
    ----------
    here
        Path of the view in the navigation.
    title
        Title of the browser's tab.
    """
    ui.page_title(f"{title} · minfleet")
    ui.add_head_html(HEAD)
    ui.query(".nicegui-content").classes("bare")
    with ui.header(fixed=False, add_scroll_padding=False).classes("bar"):
        ways = "".join(
            tag("a", name, href=url, aria_current="page" if url == here else None)
            for url, name in VIEWS
        )
        ui.html(tag("a", "minfleet", href="/", class_="brand"), tag="div")
        ui.html(ways, tag="nav").props('aria-label="Views"')
        with ui.element("div").classes("tools"):
            ui.html(link("/docs", "API"))
            theme = ui.button(icon="contrast").props('flat round dense aria-label="Light or dark"')
            theme.on("click", js_handler="() => minfleet.theme()")
            if asker.session:
                out = ui.button(icon="logout").props('flat round dense aria-label="Log out"')
                out.on("click", js_handler="() => minfleet.logOut()")
    with ui.element("div").classes("view") as main:
        ui.html(title, tag="h1").classes("unseen")
        yield
    ui.skip_link("Skip to the content", target=main)


def fault_box(sentence: str, faults: list[str] | None = None) -> str:
    """Return an error as HTML: one sentence, and one for each wrong row."""
    from api.page.show.html import text

    rows = "".join(tag("li", text(f)) for f in faults or ())
    return tag(
        "div",
        tag("p", text(sentence)),
        tag("ul", rows) if rows else "",
        class_="fault",
        role="alert",
    )


def path_of(*parts: str) -> str:
    """Return a path of escaped parts."""
    return "/" + "/".join(quote(p, safe="") for p in parts)
