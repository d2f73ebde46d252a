"""The policy of re-planning: what a change must bring before a running fleet is touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from data.errors import InputError, nearest
from data.tables import parse_yaml, read_text
from solver.blocks import UNIT, Number, Strict
from solver.workload_errors import kind_of, sentence

Percent = Annotated[Number, Field(ge=0, le=100, json_schema_extra={UNIT: "percent"})]
Rise = Annotated[Number, Field(ge=0, le=10_000, json_schema_extra={UNIT: "percent"})]
Step = Annotated[Number, Field(gt=0, le=100, json_schema_extra={UNIT: "percent"})]
Hours = Annotated[Number, Field(ge=0, le=8760, json_schema_extra={UNIT: "h"})]
SomeHours = Annotated[Number, Field(gt=0, le=8760, json_schema_extra={UNIT: "h"})]
Usd = Annotated[Number, Field(ge=0, le=1e9, json_schema_extra={UNIT: "USD"})]
Score = Annotated[Number, Field(ge=0, le=100, json_schema_extra={UNIT: "ratio"})]
Decisions = Annotated[int, Field(ge=1, le=100, json_schema_extra={UNIT: "decisions"})]


class Policy(Strict):
    """What a change of a running fleet must bring, and how it is carried out."""

    schema_: Literal["minfleet/policy/v1"] = Field(default="minfleet/policy/v1", alias="schema")
    """Version of this file format."""
    min_saving_pct: Percent = 10.0
    """Least saving, as a part of what the running fleet costs today. Spot prices of clouds move by
    5 % in the median and 10 % at the 90th percentile, so that 10 % ignores most of their moves."""
    payback_h: SomeHours = 24.0
    """Hours within which the saving must pay for the change; the change is spread over them in the
    objective."""
    min_plan_age_h: Hours = 24.0
    """Hours that a fleet runs at least before it is changed to save money."""
    spot_confirmations: Decisions = 2
    """Consecutive decisions that must find the same fleet before load is put or kept on
    interruptible offers; 1 asks for none."""
    min_disruption_score: Score = 0.5
    """Least saving for what is disturbed: saved part of the cost over the part of the running
    replicas that do not run on."""
    max_step_pct: Step = 25.0
    """Most replicas that one step replaces, as a part of the larger of the two fleets; at least one
    replica a step."""
    price_jump_pct: Rise = 25.0
    """Rise of a price in use since the plan was made, above which the fleet is looked at at once:
    the rules on saving, payback, age and disruption then do not count."""
    overlap_h: Hours = 1.0
    """Hours in which nodes that leave are still paid, beside those that take their place: both
    fleets run while weights are loaded, caches warm up and requests drain."""
    cost_per_changed_pool_usd: Usd = 5.0
    """Fixed cost of a pool that appears, disappears or changes its number of replicas: somebody
    rolls it out and watches it."""
    accept: Literal["manual", "automatic"] = "manual"
    """Whether a proposed fleet counts as running from the decision on (`automatic`), or when
    somebody accepts it."""

    @model_validator(mode="after")
    def _overlap_pays_back(self) -> Policy:
        if self.overlap_h >= self.payback_h:
            raise ValueError(
                f"overlap_h is {self.overlap_h:g} h, but the change must be paid back within "
                f"payback_h, {self.payback_h:g} h: no change ever would; raise payback_h"
            )
        return self

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy file (YAML or JSON).

        Raises
        ------
        InputError
            If the file cannot be read or parsed, or a field is wrong; the sentence names the file,
            the field and the fix.
        """
        content = parse_yaml(read_text(Path(path), "policy"), str(path))
        return cls.parse(content, place=str(path))

    @classmethod
    def parse(cls, content: Any, *, place: str = "policy") -> Policy:
        """Check the parsed content of a policy file.

        Parameters
        ----------
        content
            A mapping, as read from YAML or JSON; an empty file is the default policy.
        place
            Name of the file, for error messages.

        Raises
        ------
        InputError
            If a field is wrong.
        """
        if content is None:
            content = {}
        if not isinstance(content, Mapping):
            raise InputError(
                f"{place}: must be a mapping of policy fields such as 'min_saving_pct', not "
                f"{kind_of(content)}."
            )
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            raise InputError(f"{place}: {sentence(error, content, _unknown_key)}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the policy with every default filled in, ready for JSON."""
        return self.model_dump(mode="json", by_alias=True)


def _unknown_key(loc: tuple[int | str, ...], place: str) -> str:
    known = [f.alias or n for n, f in Policy.model_fields.items()]
    near = nearest(str(loc[-1]), known)
    meant = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}."
    return f"unknown key {place!r}; {meant}"
