"""Structured logs on stderr: one event a line, with what belongs to it. They hold no secret."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

LIBRARIES = (
    *("uvicorn", "uvicorn.error", "sqlalchemy", "alembic", "asyncio"),
    *("httpx", "httpcore", "urllib3"),
)
"""Loggers of libraries that are worth hearing of from warnings on. Those of the last line would log
the URLs of webhooks, which are secrets."""


def configure_logs(log_format: Literal["json", "text"], level: str) -> None:
    """Set up logging for the process.

    Parameters
    ----------
    log_format
        ``json``: an object a line. ``text``: for people.
    level
        Least level that is logged.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.WARNING)
