"""Writes the generated parts of catalog.md, cli.md and price-feeds.md: columns, options.

Run it after changing ``data/columns.csv``, the columns of a feed or a command; a test compares.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from marked import rewrite  # noqa: E402

from api.cli import main  # noqa: E402
from data.feeds.focus_json import COLUMNS as FOCUS  # noqa: E402
from data.tables import columns, shipped_rows  # noqa: E402


def tables() -> tuple[str, ...]:
    """Return the documented tables, in the order of ``columns.csv``."""
    return tuple(dict.fromkeys(row.cells["table"] for row in shipped_rows("columns")))


def column_table(table: str) -> str:
    """Return the columns of a table as a Markdown table."""
    lines = ["| column | type | unit | required | default | meaning |", "| --- " * 6 + "|"]
    for c in columns(table):
        cells = (
            f"`{c.column}`",
            c.type,
            c.unit,
            "yes" if c.required else "no",
            f"`{c.default}`" if c.default else "",
            _cell(c.description),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def focus_table() -> str:
    """Return the columns of FOCUS that are read, as a Markdown table."""
    lines = ["| column | read as |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{c}` | {_cell(text)} |" for c, text in FOCUS.items())])


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups before what is in them."""
    yield from _below("minfleet", main)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found is not None and not found.hidden:
                yield from _below(f"{name} {verb}", found)


def command_section(name: str, command: click.Command) -> str:
    """Return one command as Markdown: usage, what it does, its options."""
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"{'#' * (1 + min(len(name.split()), 3))} {name}", f"```\n{name} {usage}\n```"]
    parts += [_prose(command.help or "")]
    rows = [cells for p in command.params if isinstance(p, click.Option) for cells in [_option(p)]]
    if rows:
        head = ["| option | default | meaning |", "| --- | --- | --- |"]
        parts.append("\n".join(head + ["| " + " | ".join(cells) + " |" for cells in rows]))
    return "\n\n".join(p for p in parts if p)


def _prose(text: str) -> str:
    """Return a docstring as Markdown; click's unwrapped blocks become code."""
    blocks = []
    for block in text.replace("\\b", "\b").strip().split("\n\n"):
        if block.lstrip().startswith("\b"):
            body = textwrap.dedent(block.partition("\n")[2]).rstrip()
            blocks.append(f"```\n{body}\n```")
        else:
            blocks.append(" ".join(block.split()))
    return "\n\n".join(blocks)


def _option(option: click.Option) -> tuple[str, str, str]:
    context = click.Context(click.Command("x"))
    names = ", ".join((*option.opts, *option.secondary_opts))
    kind = "" if option.is_flag else option.make_metavar(context).removesuffix(" RANGE")
    default: Any = option.default
    if option.required:
        shown = "required"
    elif option.is_flag or default is None or callable(default) or _is_unset(default):
        shown = ""
    else:
        values = default if isinstance(default, tuple) else (default,)
        shown = f"`{', '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in values)}`"
    return f"`{_cell(f'{names} {kind}')}`", shown, _cell(option.help or "")


def _is_unset(value: object) -> bool:
    return "UNSET" in repr(value) or value == ()


def _cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def write() -> None:
    """Write the pages."""
    rewrite(HERE / "catalog.md", {name: column_table(name) for name in tables()})
    sections = "\n\n".join(command_section(name, command) for name, command in commands())
    rewrite(HERE / "cli.md", {"commands": sections})
    rewrite(HERE / "price-feeds.md", {"focus": focus_table()})


if __name__ == "__main__":
    write()
