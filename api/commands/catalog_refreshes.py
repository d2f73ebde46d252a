"""``minfleet catalog refreshes`` and ``export``: decide on refreshes, take prices out again."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import click

from api.catalog_filters import matching
from api.catalog_options import offer_filters
from api.commands.catalog_refresh import EXIT_HELD
from api.commands.store_options import Kept, kept_options
from api.output import json_option

STATES = ("accepted", "unchanged", "held", "refused", "rejected")


@click.command("refreshes")
@click.argument("refresh_id", metavar="[ID]", required=False)
@click.option("--approve", "approved", metavar="ID", help="Bring a held refresh in force.")
@click.option("--reject", "rejected", metavar="ID", help="Decide that one does not come in force.")
@click.option("--by", metavar="NAME", help="Who decides.  [default: the user's login name]")
@click.option("--name", metavar="NAME", help="Only refreshes of this name.")
@click.option("--state", type=click.Choice(STATES), help="Only refreshes in this state.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Most.")
@kept_options
@json_option
def refreshes(
    refresh_id: str | None,
    approved: str | None,
    rejected: str | None,
    by: str | None,
    name: str | None,
    state: str | None,
    limit: int,
    kept: Kept,
    as_json: bool,
) -> None:
    """List refreshes of prices, the latest first; show the one of ID; or decide on a held one.

    A held refresh is approved against what is in force by then: where that changed it is compared
    again, and stays held if that shows what was not reported before (exit status 1).
    """
    from api.output import print_json
    from api.output_refresh import show_refresh, show_refreshes
    from data.errors import InputError

    if sum(x is not None for x in (refresh_id, approved, rejected)) > 1:
        raise InputError("ID, --approve and --reject are three things to do; give one of them.")
    if by is not None and kept.server is not None:
        raise InputError("a server records the name of the API key; leave out --by.")
    wanted = approved or rejected or refresh_id
    if wanted is None:
        found = _listed(kept, name, state, limit)
        if as_json:
            print_json({"schema": "minfleet/catalog-refreshes/v1", "refreshes": found})
        else:
            show_refreshes(found)
        return
    verb = "approve" if approved else "reject" if rejected else "show"
    document = _one(kept, verb, wanted, by)
    if as_json:
        print_json({"schema": "minfleet/catalog-refresh/v1", "dry_run": False, **document})
    else:
        show_refresh(document, dry_run=False)
    if approved and document["state"] == "held":
        click.get_current_context().exit(EXIT_HELD)


def _listed(kept: Kept, name: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
    from api.feeds.shown import refresh_document

    if kept.server is not None:
        with kept.client() as client:
            query = {"name": name, "state": state, "limit": limit}
            asked = {k: v for k, v in query.items() if v is not None}
            found = client.refreshes(**asked).refreshes
        return [f.to_dict() for f in found]
    with kept.opened(alone=False) as store:
        stored = store.refreshes.list(limit, name=name, state=state)
    return [refresh_document(s) for s in stored]


def _one(kept: Kept, verb: str, refresh_id: str, by: str | None) -> dict[str, Any]:
    """Show a refresh, or decide on it."""
    from api.feeds.refresh import approve, reject
    from api.feeds.shown import refresh_document
    from api.store.refresh_records import NoRefreshError, NotHeldError
    from data.errors import InputError, UnknownNameError

    if kept.server is not None:
        with kept.client() as client:
            ask = {
                "show": client.read_refresh,
                "approve": client.approve_refresh,
                "reject": client.reject_refresh,
            }[verb]
            return ask(refresh_id).to_dict()
    with kept.opened(alone=verb != "show") as store:
        try:
            if verb != "show":
                decide = approve if verb == "approve" else reject
                return refresh_document(
                    decide(store, refresh_id, " ".join((by or _user()).split())[:200])
                )
            found = store.refreshes.get(refresh_id)
            if found is None:
                raise NoRefreshError(refresh_id)
            return refresh_document(found)
        except NoRefreshError:
            known = [r.id for r in store.refreshes.list(200)]
            hint = "list them with 'minfleet catalog refreshes'"
            raise UnknownNameError("refresh", refresh_id, known, hint=hint) from None
        except NotHeldError as error:
            raise InputError(
                f"{refresh_id} is {error.args[0]}; only held ones wait for a decision."
            ) from None


def _user() -> str:
    """Return the login name, or the number of a user that has none."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@click.command("export")
@click.option(
    "--snapshot", metavar="ID", help="Snapshot of the store.  [default: the one in force]"
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="CSV; stdout by default."
)
@offer_filters
@kept_options
def export(snapshot: str | None, out: Path | None, kept: Kept, **filters: Any) -> None:
    """Write the offers in force in the store, or of an older snapshot, for plan --offers.

    'minfleet catalog refreshes' names the snapshots that refreshes made; GET /v1/catalog/history
    has them all.
    """
    from data.errors import UnknownNameError
    from data.importers import write_offers
    from data.offer_cells import offer_cells
    from data.offers import parse_offers
    from data.tables import columns, parse_csv

    if kept.server is not None:
        query = {k: v for k, v in filters.items() if v}
        query |= {} if snapshot is None else {"catalog_id": snapshot}
        with kept.client() as client:
            rows = parse_csv(client.offers_csv(**query), kept.server)
            offers = list(parse_offers(rows, {}, strict=False, trusted=True))
    else:
        with kept.opened(alone=False) as store:
            try:
                chosen = store.catalogs.load(snapshot or store.catalogs.in_force().catalog_id)
            except LookupError:
                known = [entry.catalog_id for entry in store.catalogs.history(200)]
                raise UnknownNameError("snapshot", str(snapshot), known) from None
        offers = list(matching(chosen, filters))
    if out is not None:
        write_offers(out, offers)
        click.echo(f"{len(offers):,} offers written to {out}.")
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([c.column for c in columns("offers")])
    writer.writerows(list(offer_cells(o).values()) for o in offers)
