"""``/login``: an API key for the page, where the service asks for one."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.page.sessions import COOKIE, LASTS_S, Sessions
from api.service.problems import ProblemError

router = APIRouter(include_in_schema=False)

MOST_BYTES = 10_000
"""Longest form that is read."""

PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Log in · minfleet</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/page.css">
</head><body class="login"><main class="card">
<h1>minfleet</h1>
<p>This server asks for an API key. Whoever runs it makes one with
<code>minfleet keys create NAME --scope plan</code>.</p>
{fault}<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Log in</button>
</form></main></body></html>
"""


def login_url(target: str) -> str:
    """Return where to log in before going on to a path of the page."""
    return f"/login?{urlencode({'next': target})}"


def _shown(target: str, fault: str = "", status: int = 200) -> Response:
    told = f'<p class="fault" role="alert">{escape(fault)}</p>' if fault else ""
    page = PAGE.format(fault=told, next=escape(_own(target)))
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})


def _own(target: str) -> str:
    """Return a path of this server; a link must not lead elsewhere."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


@router.get("/login")
async def show_login(request: Request, next: str = "/") -> Response:
    """Ask for a key."""
    return _shown(next)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Begin a session with a key that holds."""
    body = await request.body()
    form = parse_qs(body[:MOST_BYTES].decode("utf-8", "replace"))
    key, target = form.get("key", [""])[0].strip(), form.get("next", ["/"])[0]
    try:
        await request.app.state.service.access.check(key or None, "read")
    except ProblemError as error:
        return _shown(target, str(error.document["detail"]), int(error.document["status"]))
    sessions: Sessions = request.app.state.sessions
    answer = RedirectResponse(_own(target), 303)
    answer.set_cookie(
        COOKIE,
        sessions.begin(key),
        max_age=int(LASTS_S),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End a session."""
    request.app.state.sessions.end(request.cookies.get(COOKIE))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer
