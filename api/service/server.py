"""Runs the service: one process that answers, and its workers."""

from __future__ import annotations

import math
import signal
import socket
from functools import partial
from types import FrameType

import structlog
import uvicorn

from api.service.app import create_app
from api.service.connections import Connection
from api.service.logs import configure_logs
from api.service.settings import Settings
from api.store.store import Store
from data.errors import InputError

log = structlog.get_logger("minfleet.server")

BACKLOG = 2048
"""Connections that the system holds until they are accepted."""

KEEP_ALIVE_S = 30

LAST_ANSWERS_S = 10
"""Seconds beyond the grace until connections that are still open are closed."""


class _Server(uvicorn.Server):
    """Tells the service at once that it is to stop, so that streams end and jobs are finished.

    A stop that was asked for is a success: the signal is not raised again at the end.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.service.begin_stop()  # type: ignore[union-attr]
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises
    ------
    InputError
        If a setting is wrong, the port is taken, another server has the store, or the service
        could be reached from elsewhere and has no API key.
    StoreError
        If the store cannot be used.
    """
    configure_logs(settings.log_format, settings.log_level)
    if settings.asks_for_keys:
        _check_keys(settings)
    app = create_app(settings)
    listener = _listener(settings)
    app.state.service.prepare_store()
    config = uvicorn.Config(
        app,
        http=partial(Connection, patience_s=settings.body_timeout_s),  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_s) + LAST_ANSWERS_S,
        backlog=BACKLOG,
    )
    host, port = listener.getsockname()[:2]
    log.warning("serving", url=f"http://{_in_url(host)}:{port}", store=app.state.service.name)
    server = _Server(config)
    server.run(sockets=[listener])


def _check_keys(settings: Settings) -> None:
    store = Store(settings.store_url)
    try:
        store.migrate()
        if not any(key.revoked_at is None for key in store.keys.list()):
            why = "require_keys is set" if settings.on_loopback else "others can reach it"
            raise InputError(
                f"{settings.host} needs API keys, because {why}, and the store has none; make one "
                "with 'minfleet keys create NAME --scope plan', or serve on 127.0.0.1."
            )
    finally:
        store.close()


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "it is no host name"
        raise InputError(
            f"{settings.host}:{settings.port}: cannot be listened on ({why}); choose "
            "another --port or --host."
        ) from None
    listener.set_inheritable(True)
    return listener


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
