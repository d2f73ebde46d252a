"""Numbers with their unit and least value; the unit stands in the JSON schema."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from solver.blocks import UNIT


def unit(name: str, **bounds: Any) -> Any:
    """Return what makes a number one of a unit, within bounds."""
    return Field(json_schema_extra={UNIT: name}, **bounds)


Usd = Annotated[float, unit("USD", ge=0)]
UsdPerHour = Annotated[float, unit("USD/h", ge=0)]
UsdPerHourMore = Annotated[float, unit("USD/h")]
"""A difference, below zero for less; or a bound, which an engine may leave below zero."""

UsdPerMillionTokens = Annotated[float, unit("USD per million tokens", ge=0)]

Milliseconds = Annotated[float, unit("ms", ge=0)]
Seconds = Annotated[float, unit("s", ge=0)]
Months = Annotated[int, unit("months", ge=1)]
Hours = Annotated[float, unit("h", gt=0)]

Fraction = Annotated[float, unit("fraction", ge=0)]
"""May exceed 1: a load of more than a replica's saturation rate, say."""

Share = Annotated[float, unit("fraction", ge=0, le=1)]
Percent = Annotated[float, unit("percent", ge=0)]
PercentMore = Annotated[float, unit("percent")]
"""A difference, below zero for less."""

Percentile = Annotated[float, unit("percent", ge=50, le=99.99)]

RequestsPerSecond = Annotated[float, unit("requests/s", ge=0)]
TokensPerSecond = Annotated[float, unit("tokens/s", ge=0)]
BytesPerSecond = Annotated[float, unit("bytes/s", ge=0)]
GigabitsPerSecond = Annotated[float, unit("Gbit/s", ge=0)]
Bytes = Annotated[float, unit("bytes", ge=0)]
Gigabytes = Annotated[float, unit("GB", ge=0)]
GigabytesLeft = Annotated[float, unit("GB")]
"""What remains, below zero where more is needed than there is."""

Tokens = Annotated[float, unit("tokens", ge=0)]
MeanSequences = Annotated[float, unit("sequences", ge=0)]

Count = Annotated[int, Field(ge=0)]
Accelerators = Annotated[int, unit("accelerators", ge=0)]
Degree = Annotated[int, unit("accelerators", ge=1)]
Stages = Annotated[int, unit("stages", ge=1)]
Sequences = Annotated[int, unit("sequences", ge=0)]
Replicas = Annotated[int, unit("replicas", ge=0)]
Nodes = Annotated[int, unit("nodes", ge=1)]
Requests = Annotated[int, unit("requests", ge=0)]
NodesLeft = Annotated[int, unit("nodes", ge=0)]
"""A number of nodes that may be 0: a stock, or a part of a fleet."""

Kilowatts = Annotated[float, unit("kW", ge=0)]
KilowattHoursPerHour = Annotated[float, unit("kWh/h", ge=0)]
KilogramsPerHour = Annotated[float, unit("kg CO2e/h", ge=0)]
GramsPerKwh = Annotated[float, unit("g CO2e/kWh", ge=0)]
ObjectiveValue = float
"""In the unit of the objective."""

PriceFactor = Annotated[float, unit("fraction", ge=0)]
"""A factor on prices: 0.9 is 10 % off."""
