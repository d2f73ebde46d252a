"""``minfleet catalog``: look at, check and import accelerators, offers and models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from api.catalog_filters import matching
from api.catalog_options import CatalogFiles, catalog_options, day, offer_filters
from api.commands.catalog_refresh import refresh
from api.commands.catalog_refreshes import export, refreshes
from api.errors import MinfleetGroup, every_fault
from api.output import json_option, show

FILE = click.Path(path_type=Path)


@click.group("catalog", cls=MinfleetGroup)
def catalog() -> None:
    """Look at, check, import and refresh accelerators, offers and models."""


@catalog.group("list", cls=MinfleetGroup)
def listing() -> None:
    """List accelerators, offers or models."""


@listing.command("offers")
@offer_filters
@catalog_options
@json_option
def list_offers(files: CatalogFiles, as_json: bool, **filters: Any) -> None:
    """List what can be rented, cheapest accelerator-hour first."""
    from api.commands.catalog_views import OFFERS_NOTE, catalog_facts, offer_document, offer_rows

    chosen = files.load()
    offers = matching(chosen, filters)
    document = {"catalog": catalog_facts(chosen), "offers": [offer_document(o) for o in offers]}
    title = f"{len(offers)} of {len(chosen.offers)} offers"
    headings = (
        "Offer",
        "Accelerator",
        "GPUs/node",
        "$/GPU-h",
        "$/node-h",
        "Stock nodes",
        "Network Gbit/s",
        "Seen on",
    )
    show(
        as_json,
        "catalog-offers",
        document,
        [(title, headings, offer_rows(offers))],
        [OFFERS_NOTE] if any(o.stock is None for o in offers) else [],
        text_columns=("Accelerator",),
        wide=True,
    )


@listing.command("accelerators")
@offer_filters
@catalog_options
@json_option
def list_accelerators(files: CatalogFiles, as_json: bool, **filters: Any) -> None:
    """List accelerators with their dense peak rates and what they cost.

    --provider, --region, --pricing and --max-price keep those that have such an offer.
    """
    from api.commands.catalog_views import accelerators_view

    chosen = files.load()
    document, section, notes = accelerators_view(chosen, matching(chosen, filters), filters)
    show(
        as_json,
        "catalog-accelerators",
        document,
        [section],
        notes,
        text_columns=("Vendor",),
        wide=True,
    )


@listing.command("models")
@json_option
def list_models(as_json: bool) -> None:
    """List models, smallest first, with the parameters that their shapes give."""
    from api.commands.catalog_models import models_view

    document, section, notes = models_view()
    show(
        as_json,
        "catalog-models",
        document,
        [section],
        notes,
        text_columns=("Published as", "Hugging Face id"),
        wide=True,
    )


@catalog.command("show")
@click.argument("name")
@catalog_options
@json_option
def show_one(name: str, files: CatalogFiles, as_json: bool) -> None:
    """Show every figure of an accelerator, an offer or a model, with its source.

    NAME is an accelerator's name or alias, an offer's id, a model's name or Hugging Face id, or
    the path of a config.json.
    """
    from api.commands.catalog_views import find

    kind, document, sections, notes = find(name, files.load())
    text = ("Value", "Unit", "Confirmed", "Source")
    show(as_json, f"catalog-{kind}", document, sections, notes, text_columns=text, wide=True)


@catalog.command("check")
@click.argument("file", type=FILE, required=False)
@catalog_options
@click.option("--as-of", metavar="DATE", help="Day to count ages to.  [default: today]")
@json_option
def check(file: Path | None, files: CatalogFiles, as_of: str | None, as_json: bool) -> None:
    """Check the catalogue, or the offers of FILE in its place.

    Every row that is refused is named, one to a line.

    Exit status: 0 if nothing is wrong (warnings may be shown), 1 if something is, 2 if a file
    cannot be read or a row is refused.
    """
    import datetime as dt
    from dataclasses import asdict, replace

    from api.commands.catalog_models import check_models
    from api.commands.catalog_views import catalog_facts
    from data.checks import check_catalog
    from data.errors import InputError

    if file is not None and files.offers is not None:
        raise InputError("FILE and --offers are the same thing; give one of them.")
    today = day(as_of, "--as-of") if as_of else dt.date.today()
    with every_fault():
        chosen = replace(files, offers=file or files.offers).load()
    findings = [*check_models(), *check_catalog(chosen, today)]
    findings.sort(key=lambda f: f.level != "error")
    errors = sum(f.level == "error" for f in findings)
    document = {
        "catalog": catalog_facts(chosen),
        "as_of": today,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [asdict(f) for f in findings],
    }
    rows = [(f.level, f.place, f.message) for f in findings]
    title = (
        f"{len(chosen.offers)} offers of {len({o.accelerator for o in chosen.offers})} "
        f"accelerators from {len(chosen.providers)} providers, as of {today}: "
        f"{errors} errors, {len(findings) - errors} warnings"
    )
    sections = [(title, ("Level", "Where", "What"), rows)]
    show(as_json, "catalog-check", document, sections, text_columns=("Where", "What"), wide=True)
    if errors:
        click.get_current_context().exit(1)


@catalog.command("template")
@click.option(
    "--format",
    "kind",
    type=click.Choice(("csv", "yaml")),
    help="What to write.  [default: by the name of --out, else csv]",
)
@click.option("--out", type=FILE, metavar="FILE", help="File to write; stdout by default.")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
def template(kind: str | None, out: Path | None, force: bool) -> None:
    """Write a file of offers for a supplier to fill in.

    Every column is there, those that every offer needs first, with two offers as examples. The
    YAML explains each column, as 'minfleet catalog columns offers' does.
    """
    import datetime as dt

    from api.write import write_atomically
    from data.errors import InputError
    from data.template import offers_template

    if kind is None:
        kind = "yaml" if out is not None and out.suffix in (".yaml", ".yml") else "csv"
    text = offers_template(kind, dt.date.today())
    if out is None:
        click.echo(text, nl=False)
        return
    if out.is_file() and not force:
        raise InputError(f"{out}: is there already; give another name, or --force to replace it.")
    write_atomically(out, text)
    click.echo(f"Written to {out}.")


@catalog.command("import")
@click.argument("file", type=FILE)
@click.option(
    "--format",
    "kind",
    type=click.Choice(("csv", "skypilot")),
    required=True,
    help="What FILE is: offers in minfleet's own columns, or a SkyPilot list.",
)
@click.option("--provider", metavar="NAME", help="Cloud of a SkyPilot list.")
@click.option("--observed-at", metavar="DATE", help="Day a SkyPilot list was fetched.")
@click.option("--source", metavar="TEXT", help="Who published a SkyPilot list.")
@click.option("--accelerators", type=FILE, metavar="FILE", help="Accelerators of your own.")
@click.option("--out", type=FILE, metavar="FILE", help="CSV to write; it is replaced whole.")
@click.option("--dry-run", is_flag=True, help="Read and report; write nothing.")
@json_option
def import_offers(
    file: Path,
    kind: str,
    provider: str | None,
    observed_at: str | None,
    source: str | None,
    accelerators: Path | None,
    out: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Turn a price list into an offers file for --offers or --add-offers.

    csv: offers in the columns of 'minfleet catalog columns offers', CSV or YAML; they are checked,
    and written with every column. skypilot: the vms.csv of one cloud in SkyPilot's catalogue.
    """
    from api.commands.catalog_views import import_view
    from data.errors import InputError
    from data.importers import import_csv, import_skypilot, write_offers

    if out is None and not dry_run:
        raise InputError("give --out FILE to write the offers to, or --dry-run to write nothing.")
    known = _accelerators(accelerators)
    if kind == "csv":
        for option, value in (
            ("--provider", provider),
            ("--observed-at", observed_at),
            ("--source", source),
        ):
            if value is not None:
                raise InputError(f"{option} belongs to --format skypilot; rows of csv carry it.")
        with every_fault():
            imported = import_csv(file, known)
    else:
        if not provider or not observed_at:
            raise InputError(
                "a SkyPilot list names neither its provider nor its date; give --provider NAME "
                "and --observed-at YYYY-MM-DD."
            )
        when = day(observed_at, "--observed-at")
        imported = import_skypilot(file, provider, when, known, source=source or "")
    if out is not None and not dry_run:
        write_offers(out, imported.offers)
    document, sections, notes = import_view(imported, None if dry_run else out)
    show(as_json, "catalog-import", document, sections, notes, wide=True)


def _accelerators(path: Path | None) -> Mapping[str, Any]:
    """Return the shipped accelerators with those of a user's file over them."""
    from data.accelerators import load_accelerators, shipped_accelerators

    return {**shipped_accelerators(), **(load_accelerators(path) if path else {})}


@catalog.command("columns")
@click.argument("table", required=False)
@json_option
def list_columns(table: str | None, as_json: bool) -> None:
    """Tell what the columns of a file mean: units, defaults, and which are required."""
    from api.commands.catalog_views import columns_view

    document, sections = columns_view(table)
    show(
        as_json, "catalog-columns", document, sections, text_columns=("Kind", "Meaning"), wide=True
    )


for _verb in (refresh, refreshes, export):
    catalog.add_command(_verb)
