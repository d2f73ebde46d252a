"""``minfleet catalog refresh``: prices of a feed, through the gate, into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.catalog_options import day
from api.commands.store_options import Kept, kept_options
from api.errors import Refusals
from api.numbers import FiniteRange
from api.output import json_option

if TYPE_CHECKING:
    from data.feeds.gate import Limits
    from data.feeds.read import Wanted

FEEDS = ("gpuhunt", "skypilot-csv", "csv", "focus-json")

EXIT_HELD, EXIT_REFUSED = 1, 2


@click.command("refresh")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--from",
    "feed",
    required=True,
    type=click.Choice(FEEDS),
    help="What the files are: gpuhunt's catalogue (no file; GPUHUNT_CATALOG_URL), vms.csv of "
    "SkyPilot, offers in minfleet's own columns, or FOCUS rows.",
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    help="Cloud of a SkyPilot list. Once for each FILE, in the same order.",
)
@click.option("--observed-at", metavar="DATE", help="Day of a list that names none.")
@click.option("--source", metavar="TEXT", default="", help="Who published a SkyPilot list.")
@click.option(
    "--name",
    metavar="NAME",
    default="",
    help="Tells feeds of one kind apart; one that loses a provider is held.  [default: the kind]",
)
@click.option(
    "--partial", is_flag=True, help="The files list some offers only: those not listed stay."
)
@click.option(
    "--max-dropped",
    type=FiniteRange(0, 100),
    default=30.0,
    show_default=True,
    metavar="PCT",
    help="Part of the offers that may go without a person.",
)
@click.option(
    "--max-move",
    type=FiniteRange(0, 1e6),
    default=60.0,
    show_default=True,
    metavar="PCT",
    help="Most that a price may move, up or down, without a person.",
)
@click.option(
    "--max-impossible",
    type=FiniteRange(0, 100),
    default=5.0,
    show_default=True,
    metavar="PCT",
    help="Part of the prices that may be impossible before all are refused.",
)
@kept_options
@click.option("--dry-run", is_flag=True, help="Read, compare and report; change nothing.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV to write the refreshed catalogue's offers to, for plan --offers.",
)
@json_option
def refresh(
    files: tuple[Path, ...],
    feed: str,
    providers: tuple[str, ...],
    observed_at: str | None,
    source: str,
    name: str,
    partial: bool,
    max_dropped: float,
    max_move: float,
    max_impossible: float,
    kept: Kept,
    dry_run: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Bring the prices of a feed in force, unless they change too much to be believed.

    A refresh that drops more than --max-dropped of the offers in force, moves a price by more than
    --max-move or loses a provider is held for a person: see 'minfleet catalog refreshes'. One that
    cannot be read, or holds impossible prices or days in the future, is refused. In both cases the
    prices in force stay. Offers of providers that the feed does not have are never touched.

    A dry run compares with the store where there is one, and else with the catalogue that ships.

    Exit status: 0 in force, or nothing to change; 1 held; 2 refused, or bad input.
    """
    from data.feeds.gate import Limits
    from data.feeds.read import Wanted

    wanted = Wanted(
        feed,
        _listings(files, feed, providers),
        observed_at=day(observed_at, "--observed-at") if observed_at else None,
        source=source,
        max_impossible_pct=max_impossible,
    )
    wanted.check()
    limits = Limits(max_dropped, max_move)
    ask = {"name": name, "partial": partial}
    if kept.server is not None:
        document, offers = _on_server(kept, wanted, limits, ask, dry_run=dry_run, out=out)
    else:
        document, offers = _here(kept, wanted, limits, ask, dry_run=dry_run)
    _tell(document, offers, dry_run=dry_run, out=out, as_json=as_json)


def _listings(files: tuple[Path, ...], feed: str, providers: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the files, each with its cloud where one is given."""
    from data.errors import InputError
    from data.feeds.reading import Listing

    if providers and len(providers) != len(files):
        raise InputError(
            f"{len(files)} files and {len(providers)} providers; give --provider once for each "
            "FILE, in the same order."
        )
    if feed == "skypilot-csv" and files and not providers:
        raise InputError("a SkyPilot list does not name its cloud; give --provider NAME.")
    clouds = [p.strip().lower() for p in providers] or [""] * len(files)
    return tuple(
        Listing(place=str(f), path=f, provider=p) for f, p in zip(files, clouds, strict=True)
    )


def _here(
    kept: Kept, wanted: Wanted, limits: Limits, ask: dict[str, Any], *, dry_run: bool
) -> tuple[dict[str, Any], Any]:
    """Refresh the store of this machine, or only look; return the document and the offers."""
    import datetime as dt

    from api.feeds.examine import LastTime, examine
    from api.feeds.refresh import default_name
    from api.feeds.refresh import refresh as refresh_store
    from api.feeds.shown import dry_run_document, refresh_document
    from data.catalog import Catalog

    if not dry_run:
        with kept.opened(alone=True) as store:
            made = refresh_store(store, wanted, limits=limits, **ask)
            catalog = None if made.catalog_id is None else store.catalogs.load(made.catalog_id)
        return refresh_document(made), None if catalog is None else catalog.offers
    last = LastTime()
    if kept.is_there():
        with kept.opened(alone=False) as store:
            base = store.catalogs.load(store.catalogs.in_force().catalog_id)
            name = ask["name"] or default_name(wanted)
            last = LastTime.of(store.refreshes.last_good(wanted.feed, name))
    else:
        base = Catalog.load()
    today = dt.date.today()
    found = examine(wanted, base, today, limits=limits, last=last, partial=ask["partial"])
    offers = None if found.catalog is None else found.catalog.offers
    return dry_run_document(wanted, ask["name"], found, base.id), offers


def _on_server(
    kept: Kept,
    wanted: Wanted,
    limits: Limits,
    ask: dict[str, Any],
    *,
    dry_run: bool,
    out: Path | None,
) -> tuple[dict[str, Any], Any]:
    """Let a server refresh; return the document and, where they are wanted, the offers."""
    from data.errors import InputError, RequestRefusedError
    from data.offers import parse_offers
    from data.tables import parse_csv

    if dry_run and out is not None:
        raise InputError("--out with --dry-run works without --server alone.")
    files = [
        {"place": x.place, "content": x.raw(), "provider": x.provider} for x in wanted.listings
    ]
    with kept.client() as client:
        try:
            answer = client.refresh(
                wanted.feed,
                files,
                dry_run=dry_run,
                observed_at=wanted.observed_at and wanted.observed_at.isoformat(),
                source=wanted.source,
                max_dropped_pct=limits.max_dropped_pct,
                max_move_pct=limits.max_move_pct,
                max_impossible_pct=wanted.max_impossible_pct,
                **ask,
            )
        except RequestRefusedError as error:
            raise Refusals(error.document.get("faults") or [str(error)]) from error
        offers = None
        if out is not None and answer.catalog_id is not None:
            text = client.offers_csv(catalog_id=answer.catalog_id)
            rows = parse_csv(text, f"{kept.server}")
            offers = parse_offers(rows, {}, strict=False, trusted=True)
    return answer.to_dict(), offers


def _tell(
    document: dict[str, Any], offers: Any, *, dry_run: bool, out: Path | None, as_json: bool
) -> None:
    """Print and write what became of a refresh, and end with the status that it asks for."""
    from api.output import print_json
    from api.output_refresh import refusal_sentences, show_refresh
    from data.importers import write_offers

    state = document["state"]
    written = out if out is not None and state in ("accepted", "unchanged") else None
    if written is not None:
        write_offers(written, offers)
    if as_json:
        print_json({"schema": "minfleet/catalog-refresh/v1", "dry_run": dry_run, **document})
    elif state != "refused":
        show_refresh(document, dry_run=dry_run)
        if out is not None:
            click.echo(f"Written to {out}." if written else f"{out} was not written.")
    if state == "refused":
        raise Refusals(refusal_sentences(document))
    if state == "held":
        click.get_current_context().exit(EXIT_HELD)
