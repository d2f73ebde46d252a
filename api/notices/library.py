"""Apprise, loaded when the first message needs it, and kept from logging what it sends where."""

from __future__ import annotations

import logging
from functools import cache
from types import ModuleType


@cache
def apprise() -> ModuleType:
    """Return the library; its log, which names targets, goes nowhere but into its results."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)  # the server's own words stand there
    logger.addHandler(logging.NullHandler())
    import apprise as library

    return library
