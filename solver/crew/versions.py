"""What a worker runs: results are the same only where it is the same."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = ("minfleet", "numpy", "scipy", "highspy", "pyomo", "pydantic")
"""Packages whose versions decide results."""

ROOMS = ("data", "model", "solver")


@cache
def versions() -> Mapping[str, str]:
    """Return name → version of everything that decides results, minfleet's own code included."""
    major, minor, _ = platform.python_version_tuple()
    found = {"Python": f"{major}.{minor}"}
    found.update({name: metadata.version(name) for name in PACKAGES})
    return {**found, "minfleet's code": code_digest()}


@cache
def code_digest() -> str:
    """Return a hash of minfleet's modules and tables: a version says nothing of local changes."""
    found = hashlib.sha256()
    root = Path(__file__).parents[2]
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".py", ".csv", ".json"):
                found.update(str(path.relative_to(root)).encode() + b"\0")
                found.update(path.read_bytes())
    return found.hexdigest()[:12]


def difference(mine: Mapping[str, str], others: Mapping[str, str]) -> str:
    """Return what differs, as half a sentence: ``numpy 2.1.0 here and 2.0.1 there``; "" for none.

    The code of equal versions counts; that of different ones says nothing more.
    """
    told = [
        f"{name} {here} here and {others.get(name, 'none')} there"
        for name, here in mine.items()
        if others.get(name) != here
    ]
    return " and ".join(told[:-1] if len(told) > 1 and told[-1].startswith("minfleet's") else told)
