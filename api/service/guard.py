"""What every request passes: limits on its body, the origin it comes from, a log line, metrics."""

from __future__ import annotations

import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.metrics import Metrics
from api.service.problems import PREFIX, ProblemError, problem, problem_response
from api.service.settings import Settings

SAFE = ("GET", "HEAD", "OPTIONS")

METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
"""Those that are counted by name; clients may make up any number of others."""

POLICY_VIOLATION = 1008
"""Code of a websocket's end (RFC 6455); before it is accepted, the client sees 403."""

log = structlog.get_logger("minfleet.http")


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._max_bytes = int(settings.max_body_mb * 1e6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "websocket" and self._refusal(scope, Headers(scope=scope)):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        request_id = uuid.uuid4().hex
        status = 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            headers = Headers(scope=scope)
            refused = self._refusal(scope, headers)
            if refused is not None:
                kind = refused["type"].removeprefix(PREFIX)
                scope.setdefault("state", {})["problem"] = kind
                await problem_response(refused)(scope, receive, told)
            else:
                await self._app(scope, self._limited(receive, headers), told)
        finally:
            self._tell(scope, status, time.perf_counter() - begin)
            structlog.contextvars.unbind_contextvars("request_id")

    def _refusal(self, scope: Scope, headers: Headers) -> dict[str, Any] | None:
        """Return the problem of a request that is not passed on: its address, host or origin."""
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return problem("malformed", "the address holds a null character; leave it out.")
        host = headers.get("host", "")
        hosts = [name.lower() for name in self._settings.hosts]
        if hosts and _host_name(host) not in hosts:
            return problem(
                "forbidden",
                f"this service does not answer to the name {host[:100]!r}; see the setting "
                "allowed_hosts.",
            )
        origin, allowed = headers.get("origin"), self._settings.allowed_origins
        # A websocket begins with a GET, and can be told to do anything.
        safe = scope["type"] == "http" and scope["method"] in SAFE
        if origin is None or safe or origin in allowed or "*" in allowed:
            return None
        if origin.partition("://")[2] == host:
            return None
        return problem(
            "forbidden",
            "web pages of other origins may not call this service; see the setting "
            "allowed_origins.",
        )

    def _limited(self, receive: Receive, headers: Headers) -> Receive:
        """Return `receive` with limits on size and time; beyond them it raises `ProblemError`."""
        deadline = 0.0
        total = 0
        whole = False
        length = headers.get("content-length", "")
        announced = int(length) if length.isdigit() else 0

        async def limited() -> Message:
            nonlocal deadline, total, whole
            if whole:
                return await receive()
            if announced > self._max_bytes:
                raise self._too_large()
            now = time.monotonic()
            deadline = deadline or now + self._settings.body_timeout_s
            try:
                with anyio.fail_after(max(deadline - now, 0.001)):
                    message = await receive()
            except TimeoutError:
                raise ProblemError(
                    "slow-body",
                    f"the body did not arrive within {self._settings.body_timeout_s:g} s.",
                    {"Connection": "close"},
                ) from None
            total += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if total > self._max_bytes:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> ProblemError:
        return ProblemError(
            "too-large",
            f"the body is larger than {self._settings.max_body_mb:g} MB, the limit of this server.",
            {"Connection": "close"},
        )

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        """Log a request and count it. Headers, bodies and query strings may hold secrets."""
        route = getattr(scope.get("route"), "path", None) or "none"
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        state = scope.get("state", {})
        if status >= 400:
            self._metrics.refusals.labels(state.get("problem", "internal")).inc()
        key = state.get("key")
        log.log(
            10 if route in ("/healthz", "/readyz", "/metrics") and status < 400 else 20,
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1e3, 2),
            key=None if key is None else key.id,
        )


def _host_name(host: str) -> str | None:
    """Return the name within a Host header, without the port; None where it holds none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # half an IPv6 address
        return None
