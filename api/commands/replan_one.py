"""``minfleet replan WORKLOAD --current PLAN.json``: one fleet, kept or switched."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.catalog_options import CatalogFiles

if TYPE_CHECKING:
    from solver.replan.decision import Decision
    from solver.replan.memory import Memory

EXIT_INFEASIBLE, EXIT_UNPROVEN = 1, 3


def replan_one(
    *,
    workload: str | None,
    current: str | None,
    policy: Path | None,
    memory: Path | None,
    at: str | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    no_second_engine: bool,
    as_json: bool,
    out: Path | None,
    proposed: Path | None,
) -> None:
    """Decide about a running fleet, show the decision, and write what was asked for.

    The parameters are the options of the command. Exits with `EXIT_INFEASIBLE` or
    `EXIT_UNPROVEN` where it has to be.
    """
    from api.output_decision import show_decision
    from api.progress import stages
    from api.read import STDIN, load_plan, load_workload, place_of
    from api.write import check_writable
    from solver.replan.decide import replan as decide
    from solver.replan.memory import Memory
    from solver.replan.policy import Policy

    if workload is None or current is None:
        missing = "WORKLOAD" if workload is None else "--current PLAN.json"
        raise click.UsageError(
            f"{missing} is missing; or give --replay, --portfolio or --due instead."
        )
    if workload == current == STDIN:
        raise click.UsageError("stdin holds one file: give WORKLOAD or --current as a file.")
    for path in (memory, out, proposed):
        if path is not None:
            check_writable(path)
    wanted, running = load_workload(workload), load_plan(current)
    rules = Policy() if policy is None else Policy.load(policy)
    moment = read_moment(at)
    before = Memory() if memory is None else _read_memory(memory)
    catalog = files.load(strict=measured is None)
    with stages(quiet=as_json) as progress:
        found = decide(
            wanted,
            catalog,
            running,
            rules,
            moment=moment,
            memory=before,
            gap=gap,
            time_limit_s=time_limit_s,
            coefficients=coefficients,
            measured=measured,
            second_engine=not no_second_engine,
            progress=progress,
        )
    _write(found, memory, out, proposed)
    if as_json:
        click.echo(found.to_json())
    else:
        show_decision(found, place_of(workload))
    if found.infeasible:
        sys.exit(EXIT_INFEASIBLE)
    if not found.proven:
        sys.exit(EXIT_UNPROVEN)


def read_moment(text: str | None) -> dt.datetime:
    """Return the moment of a decision; now where none is given.

    Raises
    ------
    InputError
        If the text is no moment.
    """
    from data.errors import InputError
    from solver.replan.memory import aware

    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        return aware(dt.datetime.fromisoformat(text))
    except ValueError:
        raise InputError(
            f"--at: {text!r} is no moment; write it as 2026-11-22T12:00:00Z."
        ) from None


def _read_memory(path: Path) -> Memory:
    """Return the memory in a file; an empty one where the file is not there yet."""
    from data.errors import InputError
    from data.tables import read_text
    from solver.replan.memory import Memory

    if not path.exists():
        return Memory()
    try:
        content = json.loads(read_text(path, "memory"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}); delete it to start "
            "without a memory."
        ) from None
    return Memory.from_dict(content, place=str(path))


def _write(found: Decision, memory: Path | None, out: Path | None, proposed: Path | None) -> None:
    """Write what was asked for, the memory last: a decision that is not told is not counted."""
    from api.write import write_atomically

    if out is not None:
        write_atomically(out, found.to_json() + "\n")
    if proposed is not None and found.plan is not None:
        write_atomically(proposed, json.dumps(found.plan, indent=2, allow_nan=False) + "\n")
    if memory is not None:
        write_atomically(memory, json.dumps(found.memory.to_dict(), indent=2) + "\n")
