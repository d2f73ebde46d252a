"""Prices that fall with the number of nodes: from so many on, all of them cost less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from data.currencies import decimal
from data.tables import Row

COLUMN = "price_steps"


@dataclass(frozen=True)
class PriceStep:
    """From `from_nodes` nodes on, all nodes cost this price (USD an hour and node)."""

    from_nodes: int
    price_per_node_hour_usd: Decimal

    def __str__(self) -> str:
        return f"{self.from_nodes}: {self.price_per_node_hour_usd:f}"


def read_steps(
    row: Row, to_usd: Callable[[Decimal], Decimal], first: Decimal, min_nodes: int
) -> tuple[PriceStep, ...]:
    """Return the steps of a row, written ``8: 22.5; 32: 20``; none where the cell is empty.

    Parameters
    ----------
    to_usd
        Turns a price as it is written into that of a node in US dollars.
    first
        Price of a node below the first step (USD/h).
    min_nodes
        Smallest number of nodes that is sold.

    Raises
    ------
    CatalogError
        If a step cannot be read, the numbers of nodes do not rise from above `min_nodes`, or the
        prices do not fall from below `first`.
    """
    found: list[PriceStep] = []
    above, cheaper, before = min_nodes, first, "below the first step"
    for part in row.names(COLUMN):
        step = _step(row, part, to_usd)
        if step.from_nodes <= above:
            last = f"the {above} of the step before" if found else f"min_nodes ({above})"
            raise row.fault(
                COLUMN, f"the step {part!r} begins at no more nodes than {last}; let them rise."
            )
        if step.price_per_node_hour_usd >= cheaper:
            raise row.fault(
                COLUMN,
                f"the step {part!r} costs no less than a node {before}; prices must fall as "
                "nodes rise.",
            )
        found.append(step)
        above, cheaper, before = step.from_nodes, step.price_per_node_hour_usd, "of the step before"
    return tuple(found)


def steps_text(steps: Sequence[PriceStep], from_usd: Callable[[Decimal], Decimal]) -> str:
    """Write steps as the cell that `read_steps` reads."""
    return "; ".join(f"{s.from_nodes}: {from_usd(s.price_per_node_hour_usd):f}" for s in steps)


def _step(row: Row, part: str, to_usd: Callable[[Decimal], Decimal]) -> PriceStep:
    nodes, colon, price = (word.strip() for word in part.partition(":"))
    if not (nodes and colon and price):
        raise row.fault(
            COLUMN, f"{part!r} is not a step; write '8: 22.5' for a price of 22.5 from 8 nodes on."
        )
    cells = Row(row.place, {COLUMN: nodes}), Row(row.place, {COLUMN: price})
    from_nodes = cells[0].integer(COLUMN, at_least=1)
    cells[1].number(COLUMN, above=-1e-12, at_most=1e12)
    return PriceStep(from_nodes, to_usd(decimal(cells[1], COLUMN)))
