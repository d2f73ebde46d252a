"""Writes the generated parts of rest.md, deploy.md and operations.md.

Endpoints and problems come from the application, settings and metrics from where they are made.
Run it after changing one of these; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from marked import rewrite  # noqa: E402

from api.service.app import create_app  # noqa: E402
from api.service.metrics import Metrics  # noqa: E402
from api.service.problems import KINDS  # noqa: E402
from api.service.settings import PREFIX, Settings  # noqa: E402

BY_MACHINE = {"store_url": "", "workers": "cores"}
"""Settings whose default depends on the machine → what to say of it."""


def settings_table() -> str:
    """Return every setting: variable, default, meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = BY_MACHINE.get(name, "")
        if name not in BY_MACHINE:
            default = f"`{_plain(field.get_default(call_default_factory=False))}`"
        rows.append((f"`{PREFIX}{name.upper()}`", default, field.description or ""))
    return _table(("variable", "default", "meaning"), rows)


def endpoints_table() -> str:
    """Return every endpoint: method and path, scope, what it does."""
    app = create_app(Settings(store_url="sqlite:////tmp/unused.db"))
    rows = []
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            text = operation["summary"]
            if path in ("/healthz", "/readyz", "/metrics"):
                text = operation["description"].partition("\n")[0].rstrip(".")
            security = operation.get("security", [{}])[0]
            scope = next((s[0] for s in security.values()), "none")
            rows.append((f"`{method.upper()} {path}`", scope, text))
    return _table(("endpoint", "scope", ""), rows)


def problems_table() -> str:
    """Return every kind of problem: type, status, title."""
    rows = [(f"`{kind}`", str(status), title) for kind, (status, title) in KINDS.items()]
    return _table(("`urn:minfleet:problem:…`", "status", "title"), rows)


def metrics_table() -> str:
    """Return every family of metrics: name, type, labels, meaning."""
    rows = []
    for name, metric in sorted(vars(Metrics()).items()):
        if name in ("registry", "_refreshes_seen"):
            continue
        kind = type(metric).__name__.lower()
        suffix = "_total" if kind == "counter" else ""
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        rows.append((f"`{metric._name}{suffix}`", kind, labels, metric._documentation))
    return _table(("metric", "type", "labels", "meaning"), sorted(rows))


def pages() -> dict[str, dict[str, str]]:
    """Return the generated parts by page and name."""
    return {
        "rest.md": {"endpoints": endpoints_table(), "problems": problems_table()},
        "deploy.md": {"settings": settings_table()},
        "operations.md": {"metrics": metrics_table()},
    }


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    for page, parts in pages().items():
        rewrite(HERE / page, parts)
