"""The block `batch` of a plan: how long a fleet runs to drain it, and what that costs in all."""

from __future__ import annotations

from typing import Annotated

from api.schemas.base import Document
from api.schemas.units import Count, Fraction, Hours, Tokens, Usd, UsdPerMillionTokens, unit
from api.schemas.words import ClassName

HoursOrNone = Annotated[float, unit("h", ge=0)]
Number = Annotated[float, unit("requests", ge=0)]


class BatchDrained(Document):
    """The hours that a fleet is rented for to drain a batch, and what they cost."""

    deadline_h: Hours
    """Hours until the deadline."""
    hours: Hours
    """Hours that the fleet is kept for; the rates of the plan drain the batch in them."""
    billed_hours: Hours
    """Hours paid for: those, in whole billing steps."""
    startup_h: HoursOrNone
    """Hours of them in which nothing is served yet."""
    finish_h: Hours
    """When the last request is done: pools that are not full are done sooner."""
    cost_usd: Usd
    """Total cost: the cost an hour times the hours paid for."""
    requests: dict[ClassName, Number]
    """Requests of each class."""
    input_tokens: Tokens | None
    """Tokens of all prompts; null where lengths are not known (measured capacities)."""
    output_tokens: Tokens | None
    """Output tokens of all answers, likewise."""
    cost_per_million_output_tokens_usd: UsdPerMillionTokens | None
    """Total cost over the output tokens, likewise."""
    cost_per_million_tokens_usd: UsdPerMillionTokens | None
    """Total cost over prompt and output tokens, likewise."""
    bound_usd: Usd | None
    """No fleet drains the batch for less, whatever the duration; null if there is no bound."""
    gap: Fraction
    """(cost_usd − bound_usd)/cost_usd."""
    gap_asked: Fraction
    """Gap that counts as proven."""
    durations: Count
    """Durations that were weighed."""
    programs: Count
    """Programs solved for them; bounds settled the others."""
