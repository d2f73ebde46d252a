"""``minfleet diff``: where two stored plans differ."""

from __future__ import annotations

import click

from api.output import json_option, print_json


@click.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Tell where the plan SECOND differs from the plan FIRST: pools, purchases, cost, latency.

    Both are files that 'minfleet plan --out' wrote; one may be - for stdin.
    """
    from api.difference_words import difference_document
    from api.read import STDIN, load_plan
    from data.errors import InputError

    if first == second == STDIN:
        raise InputError("FIRST and SECOND cannot both be stdin; give a file for one of them.")
    found = difference_document(load_plan(first), load_plan(second))
    if as_json:
        print_json(found)
        return
    told, *parts = found["words"]
    click.echo(told)
    for part in parts:
        click.echo(f"  - {part}")
