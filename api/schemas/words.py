"""Words that several documents use: closed sets, names, days."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from solver.workload import KvFormat, WeightFormat

NAME = "x-name"
"""Key of what the keys of a mapping name, in its JSON schema."""

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
Role = Literal["aggregated", "prefill", "decode"]
Router = Literal["random", "round_robin", "least_loaded"]
Target = Literal["ttft_ms", "tpot_ms", "e2e_ms"]

PoolWeights = WeightFormat | Literal["measured"]
PoolKv = KvFormat | Literal["measured"]

ClassName = Annotated[str, Field(json_schema_extra={NAME: "class"})]
ModelName = Annotated[str, Field(json_schema_extra={NAME: "model"})]
"""Keys of mappings."""

Arrivals = Annotated[str, Field(pattern=r"^(poisson|trace|gamma:.+)$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", json_schema_extra={"format": "date"})]

LimitValue = int | float | str | list[str] | dict[str, int | float]
"""The value of a limit: of a field of the workload, or of several by class or offer."""
