"""Views as addresses: the workload of a form is part of its URL, so that a link shows the same."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from data.errors import InputError

MOST_BYTES = 300_000
"""Longest workload that an address may hold, unpacked."""

SHORT_ENOUGH = 16_000
"""Characters of an address that browsers and proxies pass on; beyond it a view has none."""


def packed(value: Any) -> str:
    """Return a value of JSON as text for a query string."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    squeezed = zlib.compress(text.encode(), 9)
    return base64.urlsafe_b64encode(squeezed).decode().rstrip("=")


def unpacked(text: str) -> Any:
    """Return the value that `packed` packed.

    Raises
    ------
    InputError
        If the text is not of its making.
    """
    try:
        squeezed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        machine = zlib.decompressobj()
        found = machine.decompress(squeezed, MOST_BYTES)
        if machine.unconsumed_tail:
            raise InputError("the link holds more than a workload; open the file instead.")
        return json.loads(found)
    except (binascii.Error, zlib.error, ValueError):
        raise InputError(
            "the link is damaged, perhaps cut off where it was copied; ask for it once more."
        ) from None


def with_workload(path: str, workload: Any) -> str | None:
    """Return a path that shows a workload; None where it is too long for an address."""
    address = f"{path}?w={packed(workload)}"
    return address if len(address) <= SHORT_ENOUGH else None
