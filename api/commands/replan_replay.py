"""``minfleet replan --replay``: what a policy would have cost over a history of prices."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.numbers import FiniteRange

if TYPE_CHECKING:
    from api.catalog_options import CatalogFiles
    from data.offers import Offer
    from data.price_changes import PriceChanges
    from solver.workload import Workload

EXIT_UNPROVEN = 3

_FILE = click.Path(path_type=Path)
_DAY = click.DateTime(formats=["%Y-%m-%d"])


def replay_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--replay`` and the options that go with it."""
    options = (
        click.option(
            "--replay",
            "changes",
            type=_FILE,
            metavar="CHANGES.csv",
            help="Decide along a history of prices, and compare with never switching, always "
            "switching, and the best that could have been done.",
        ),
        click.option(
            "--provider",
            "providers",
            multiple=True,
            help="With --replay: offers of this provider alone. May be repeated.",
        ),
        click.option(
            "--region",
            "regions",
            multiple=True,
            help="With --replay: offers in this region alone; names the region of a history that "
            "has none. May be repeated.",
        ),
        click.option(
            "--from",
            "start",
            type=_DAY,
            metavar="YYYY-MM-DD",
            help="With --replay: first day; the day before the first change by default.",
        ),
        click.option(
            "--to",
            "end",
            type=_DAY,
            metavar="YYYY-MM-DD",
            help="With --replay: first day that no longer counts; 30 days after the last change by "
            "default.",
        ),
        click.option(
            "--every",
            "every_h",
            type=FiniteRange(1, 8760),
            metavar="HOURS",
            help="With --replay: hours between two looks where prices stand still; 24 by default.",
        ),
        click.option(
            "--plot",
            type=_FILE,
            metavar="FILE.svg|.png|.html",
            help="With --replay: draw prices and costs; needs the extra 'plots'.",
        ),
    )
    for option in reversed(options):
        command = option(command)

    return command


@dataclass(frozen=True)
class Replayed:
    """What is replayed; None or empty where it was not given."""

    changes: Path | None
    providers: tuple[str, ...]
    regions: tuple[str, ...]
    start: dt.datetime | None
    end: dt.datetime | None
    every_h: float | None
    plot: Path | None


def replay(
    workload: str,
    asked: Replayed,
    *,
    current: str | None,
    policy: Path | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    as_json: bool,
    out: Path | None,
) -> None:
    """Replay a history of prices and show what came of it.

    Parameters
    ----------
    workload
        File of the workload; ``-`` for stdin.
    current, policy
        The plan that runs at the start, and what a change must bring; None for the defaults.
    files
        For a history in our own layout, where its offers are described; else offers to be had
        besides, at a constant price.
    out
        Document, or table of the decisions if it ends in ``.csv``; None for none.
    """
    from api.output_replay import show_replay
    from api.plot_replay import draw_replay
    from api.plotting import check_plot
    from api.progress import staged
    from api.read import load_plan, load_workload, place_of
    from api.table_files import as_csv
    from api.write import check_writable, write_atomically
    from data.catalog import Catalog
    from data.coefficients import load_coefficients
    from data.price_changes import load_price_changes
    from solver.measured import load_measured
    from solver.replan.policy import Policy
    from solver.replay.document import decision_rows
    from solver.replay.path import HOURS_PER_DAY, price_path
    from solver.replay.replay import replay as find

    assert asked.changes is not None
    plot = asked.plot
    if plot is not None:
        check_plot(plot)
    for path in (out, plot):
        if path is not None:
            check_writable(path)
    wanted, name = load_workload(workload), place_of(workload)
    known = Catalog.load(accelerators=files.accelerators).accelerators
    region = asked.regions[0] if len(asked.regions) == 1 else ""
    history = load_price_changes(asked.changes, known, region=region)
    wanted, told = _fitted(wanted, history)
    prices = price_path(
        history,
        known,
        _constant(history, files, strict=measured is None),
        providers=asked.providers,
        regions=asked.regions,
        hardware=wanted.hardware,
        start=None if asked.start is None else asked.start.date(),
        end=None if asked.end is None else asked.end.date(),
    )
    with staged(quiet=as_json) as progress:
        found = find(
            wanted,
            prices,
            None if policy is None else Policy.load(policy),
            current=None if current is None else load_plan(current),
            coefficients=None if coefficients is None else load_coefficients(coefficients),
            measured=None if measured is None else load_measured(measured),
            gap=gap,
            time_limit_s=time_limit_s,
            every_h=HOURS_PER_DAY if asked.every_h is None else asked.every_h,
            skipped=history.skipped,
            may_begin_later=asked.start is None,
            warnings=(*history.warnings, *told),
            progress=progress,
        )
    document = found.to_dict()
    if out is not None:
        table = out.suffix.lower() == ".csv"
        write_atomically(out, as_csv(decision_rows(document)) if table else found.to_json() + "\n")
    if plot is not None:
        write_atomically(plot, draw_replay(plot, f"{name}: prices and costs", document))
    if as_json:
        click.echo(found.to_json())
    else:
        show_replay(document, name)
    if not found.proven:
        sys.exit(EXIT_UNPROVEN)


def _fitted(workload: Workload, history: PriceChanges) -> tuple[Workload, tuple[str, ...]]:
    """Return the workload with its filters fitted to a history that describes its offers.

    One that names no pricing takes that of the history. Providers and regions that the shipped
    catalogue knows and the history does not are left out: nothing could be bought there.
    """
    from data.offers import shipped_offers

    if not history.described:
        return workload, ()
    hardware, changed, told = workload.hardware, dict[str, list[str]](), list[str]()
    kinds = sorted({o.pricing for o in history.offers})
    if "pricing" not in hardware.model_fields_set and kinds != ["on_demand"]:
        changed["pricing"] = kinds
        told.append(
            f"hardware.pricing is not given: taken as that of the history, {' and '.join(kinds)}"
        )
    for field in ("providers", "regions"):
        asked, one = getattr(hardware, field), field.removesuffix("s")
        here = {getattr(o, one) for o in history.offers}
        known = {getattr(o, one) for o in shipped_offers()} - here
        if asked and any(name in here for name in asked):
            changed[field] = [name for name in asked if name not in known]
    fitted = hardware.model_copy(update=changed)
    return workload.model_copy(update={"hardware": fitted}), tuple(told)


def _constant(history: PriceChanges, files: CatalogFiles, *, strict: bool) -> tuple[Offer, ...]:
    """Return offers to be had besides those that the history describes itself."""
    from data.catalog import Catalog

    if not history.described:
        return files.load(strict=strict).offers
    own = [path for path in (files.offers, files.add_offers) if path is not None]
    if not own:
        return ()
    return Catalog.load(own, accelerators=files.accelerators, strict=strict).offers
