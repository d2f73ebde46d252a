"""The settings of ``minfleet serve``: environment variables, or options of the same name."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from data.errors import InputError
from solver.crew.cores import usable_cores

PREFIX = "MINFLEET_"

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def default_store_url() -> str:
    """Return the URL of the store where none is set: a file in the user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return f"sqlite:///{Path(state) / 'minfleet' / 'minfleet.db'}"


class Settings(BaseSettings):
    """Every setting of the service; each has a description, which the documentation shows."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, allow_inf_nan=False
    )

    host: Annotated[
        str, Field(description="Address to listen on. Anything but loopback needs API keys.")
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="Port to listen on; 0 for any that is free.")
    ] = 8080
    store_url: Annotated[
        str,
        Field(
            default_factory=default_store_url,
            description="Where everything is kept: `sqlite:///PATH`, or "
            "`postgresql://USER:PASSWORD@HOST/NAME` for several servers on one store. By default "
            "`minfleet/minfleet.db` in `$XDG_STATE_HOME` (`~/.local/state`).",
        ),
    ]
    page: Annotated[
        bool,
        Field(description="Serve the web page at `/`. The service itself is the same without it."),
    ] = True
    require_keys: Annotated[
        bool,
        Field(
            description="Ask for API keys on loopback too, as behind a reverse proxy. Elsewhere "
            "they are always asked for."
        ),
    ] = False
    allowed_origins: Annotated[
        list[str],
        Field(
            description="Web origins whose pages may call the service (CORS), as a JSON list; "
            "none by default."
        ),
    ] = []
    allowed_hosts: Annotated[
        list[str],
        Field(
            description="Names that the service answers to in the Host header, as a JSON list. "
            "Where no keys are asked for, only names of loopback are accepted by default, so that "
            "no web page can reach it under a name of its own."
        ),
    ] = []
    workers: Annotated[
        int,
        Field(
            default_factory=usable_cores,
            ge=1,
            le=256,
            description="Processes that solve; by default one for each core that the server may "
            "use. One more answers estimates.",
        ),
    ]
    worker_memory_mb: Annotated[
        int,
        Field(
            ge=0,
            description="Most resident memory (MiB) of a worker; 0 for no limit. A job that needs "
            "more is stopped and says so.",
        ),
    ] = 4096
    queue_limit: Annotated[
        int, Field(ge=1, description="Jobs that may wait; beyond it requests get 429.")
    ] = 200
    scheduler: Annotated[
        bool,
        Field(
            description="Plan registered workloads when they are due. Without it, only "
            "`minfleet replan --due` and requests do; due workloads fill half the queue at most."
        ),
    ] = True
    job_time_limit_s: Annotated[
        float,
        Field(gt=0, description="Seconds after which a job is stopped, whatever it is doing."),
    ] = 300.0
    max_time_limit_s: Annotated[
        float,
        Field(gt=0, description="Most seconds that a request may give the main program."),
    ] = 120.0
    wait_s: Annotated[
        float,
        Field(
            gt=0,
            description="Most seconds that a request waits for its plan; then it gets 202 and "
            "the job.",
        ),
    ] = 120.0
    max_body_mb: Annotated[
        float, Field(gt=0, description="Largest request body (MB); beyond it requests get 413.")
    ] = 5.0
    body_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds in which a request's body must have arrived (408 then). Clients "
            "that take as long for its head, or do not read, are cut off.",
        ),
    ] = 20.0
    max_classes: Annotated[
        int, Field(ge=1, description="Most classes of a workload; beyond it requests get 422.")
    ] = 100
    max_catalog_rows: Annotated[
        int, Field(ge=1, description="Most offers, or other rows, of a request.")
    ] = 5000
    max_tokens: Annotated[
        int, Field(ge=1, description="Most tokens of a prompt, or of an output.")
    ] = 1_000_000
    max_simulated_requests: Annotated[
        int, Field(ge=2, description="Most requests of a simulation.")
    ] = 1_000_000
    rate_per_minute: Annotated[
        int,
        Field(ge=1, description="Requests a minute of a key that was created without a rate."),
    ] = 600
    shutdown_grace_s: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds that running jobs get when the server is told to stop; the rest "
            "go back in the queue.",
        ),
    ] = 20.0
    dead_after_s: Annotated[
        float,
        Field(
            ge=5,
            description="Seconds without a sign of life after which the other servers of a "
            "PostgreSQL store take a server for dead, and its jobs over.",
        ),
    ] = 15.0
    public_url: Annotated[
        str,
        Field(
            description="Where people reach this server, such as `https://minfleet.example.com`; "
            "notices then have links."
        ),
    ] = ""
    notify_private_hosts: Annotated[
        list[str],
        Field(
            description="Host names, addresses and networks (`10.0.0.0/8`) that notices may go to "
            'although they are not public, as a JSON list; `["*"]` for all.'
        ),
    ] = []
    notify_http: Annotated[
        bool,
        Field(description="Let webhooks go over http, which others on the way can read."),
    ] = False
    notify_timeout_s: Annotated[
        float, Field(gt=0, le=60, description="Seconds that the receiver of a notice gets.")
    ] = 10.0
    notify_attempts: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="How often a notice is tried to be sent; as set here, for about two days.",
        ),
    ] = 20
    notify_pause_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds until a notice that did not get through is sent again; they "
            "double each time.",
        ),
    ] = 5.0
    notify_max_pause_s: Annotated[
        float, Field(gt=0, description="Most seconds between two attempts at a notice.")
    ] = 21_600.0
    log_format: Annotated[
        Literal["json", "text"], Field(description="Logs as JSON, one object a line, or as text.")
    ] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least level logged.")
    ] = "info"
    otel: Annotated[
        bool,
        Field(
            description="Send traces by OpenTelemetry (extra `otel`); the exporter is set by the "
            "standard `OTEL_…` variables."
        ),
    ] = False

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> list[str]:
        """Names in the Host header that are answered; empty for any."""
        if self.allowed_hosts or self.asks_for_keys:
            return self.allowed_hosts
        return list(LOOPBACK_NAMES)

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests need an API key."""
        return self.require_keys or not self.on_loopback


def load_settings(**given: object) -> Settings:
    """Return the settings: what is given over the environment, that over the defaults.

    Raises
    ------
    InputError
        If one is wrong; it is named.
    """
    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    except SettingsError as error:
        name = next((n for n in Settings.model_fields if f'"{n}"' in str(error)), "settings")
        raise InputError(f"{name} ({PREFIX}{name.upper()}): must be a JSON list.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        message = str(first["msg"]).removeprefix("Input ").removeprefix("Value error, ")
        where = f"{name} ({PREFIX}{name.upper()})"
        raise InputError(f"{where}: {message[0].lower()}{message[1:]}.") from None
