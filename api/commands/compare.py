"""``minfleet compare``: offers side by side, with the prices at which each enters the optimum."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.effort_options import proof_options, worker_options
from api.model_options import coefficients_option, measured_option

if TYPE_CHECKING:
    from data.catalog import Catalog

EXIT_INFEASIBLE, EXIT_UNPROVEN = 1, 3

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("workload", type=click.Path())
@click.argument("offers", type=_FILE, nargs=-1, required=True)
@click.option(
    "--offer",
    "named",
    multiple=True,
    metavar="ID",
    help="Compare only this offer of the files and the others named. May be repeated.",
)
@click.option(
    "--subset",
    "subsets",
    multiple=True,
    metavar="NAME=ID,ID,…",
    help="Report these offers together, too. May be repeated.",
)
@click.option(
    "--add-shipped",
    is_flag=True,
    help="Let the shipped offers compete in the joint optimum.",
)
@click.option(
    "--accelerators",
    type=_FILE,
    metavar="FILE",
    help="CSV or YAML of accelerators to add or override.",
)
@measured_option
@coefficients_option
@proof_options(
    "Relative gap at which a fleet counts as proven; break-even prices are always exact.",
    "Seconds for each program; an offer takes about five.",
)
@worker_options
@click.option("--json", "as_json", is_flag=True, help="Print the comparison document.")
@click.option(
    "--out",
    type=_FILE,
    metavar="FILE.json",
    help="Write the comparison document to a file.",
)
def compare(
    workload: str,
    offers: tuple[Path, ...],
    named: tuple[str, ...],
    subsets: tuple[str, ...],
    add_shipped: bool,
    accelerators: Path | None,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Compare the OFFERS of one or more files (CSV or YAML) for WORKLOAD (YAML or JSON).

    For each offer: the cheapest fleet that uses it alone, its share in the cheapest fleet of all of
    them together, the exact prices at which it enters and takes over that optimum, and what one
    more node in stock is worth. WORKLOAD - reads stdin.
    """
    from api.output_comparison import show_comparison
    from api.progress import stages
    from api.read import load_workload, place_of
    from api.write import check_writable, write_atomically
    from solver.comparison.comparison import compare as find

    groups = _subsets(subsets)
    wanted = load_workload(workload)
    if out is not None:
        check_writable(out)
    catalog, own = _catalog(offers, named, accelerators, add_shipped, strict=measured is None)
    with stages(quiet=as_json) as progress:
        answer = find(
            wanted,
            catalog,
            offers=own,
            subsets=groups,
            gap=gap,
            time_limit_s=time_limit_s,
            coefficients=coefficients,
            measured=measured,
            jobs=jobs,
            dask=dask,
            progress=progress,
        )
    if out is not None:
        write_atomically(out, answer.to_json() + "\n")
    if as_json:
        click.echo(answer.to_json())
    else:
        show_comparison(answer, place_of(workload))
    if answer.status == "infeasible":
        sys.exit(EXIT_INFEASIBLE)
    if not answer.complete:
        sys.exit(EXIT_UNPROVEN)


def _catalog(
    files: tuple[Path, ...],
    named: tuple[str, ...],
    accelerators: Path | None,
    add_shipped: bool,
    *,
    strict: bool,
) -> tuple[Catalog, list[str]]:
    """Return the offers that compete, and the ids of those to compare."""
    from data.catalog import Catalog
    from data.errors import UnknownNameError

    quoted = Catalog.load(files, accelerators=accelerators, strict=strict)
    known = [o.offer_id for o in quoted.offers]
    for name in named:
        if name not in known:
            raise UnknownNameError("offer", name, known, "--offer")
    own = list(dict.fromkeys(named)) or known
    if add_shipped:
        joined = Catalog.load(add_offers=files, accelerators=accelerators, strict=strict)
        ours = set(known) - set(own)
        return joined.with_offers(o for o in joined.offers if o.offer_id not in ours), own
    return quoted.with_offers(o for o in quoted.offers if o.offer_id in own), own


def _subsets(given: tuple[str, ...]) -> dict[str, list[str]]:
    """Read NAME=ID,ID,… ."""
    from data.errors import InputError

    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, ids = text.partition("=")
        members = list(dict.fromkeys(part.strip() for part in ids.split(",") if part.strip()))
        if not equals or not name.strip() or not members:
            raise InputError(
                f"--subset {text!r} is not NAME=ID,ID,…; give a name and the ids of its offers."
            )
        if name.strip() in found:
            raise InputError(f"--subset {name.strip()!r} is given twice; give each its own name.")
        found[name.strip()] = members
    return found
