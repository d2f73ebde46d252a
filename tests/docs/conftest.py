"""Reading the documentation: tables of fields, names in code font, links."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """Return the text of a page of the documentation."""
    return lambda name: (ROOT / "docs" / name).read_text("utf-8")


@pytest.fixture(scope="session")
def field_rows() -> Callable[[str], dict[str, list[str]]]:
    """Return the rows of all tables whose first cell is a field: field → the other cells."""

    def rows(text: str) -> dict[str, list[str]]:
        found = dict(_rows(text))
        assert len(found) == len(list(_rows(text))), "a field is documented twice"
        return found

    return rows


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        match = re.match(r"\| `([^`]+)` \|(.*)\|$", line)
        if match:
            yield match[1], [cell.strip() for cell in match[2].split("|")]


@pytest.fixture(scope="session")
def script() -> Callable[[str], ModuleType]:
    """Import a script of the docs folder."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
