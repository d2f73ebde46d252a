"""Replacing the generated part of a page, between a pair of markers."""

from __future__ import annotations

import re
from pathlib import Path


def replaced(text: str, name: str, content: str) -> str:
    """Return `text` with `content` between ``<!-- begin name -->`` and ``<!-- end name -->``.

    Raises
    ------
    ValueError
        If the markers are not there, or not once.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    found = pattern.findall(text)
    if len(found) != 1:
        raise ValueError(f"the markers of {name!r} must be there once, not {len(found)} times")
    return pattern.sub(lambda _: f"{begin}\n{content.strip()}\n{end}", text)


def between(text: str, name: str) -> str:
    """Return what stands between the markers of `name`."""
    return text.split(f"<!-- begin {name} -->\n")[1].split(f"\n<!-- end {name} -->")[0]


def rewrite(path: Path, parts: dict[str, str]) -> None:
    """Replace the generated parts of a page."""
    text = path.read_text("utf-8")
    for name, content in parts.items():
        text = replaced(text, name, content)
    path.write_text(text, "utf-8")
