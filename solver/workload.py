"""The workload: what is to be served, how fast, and with which hardware.

The schema is the contract of ``minfleet/workload/v1``; unknown keys are errors that name the
nearest known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from data.errors import WorkloadError, nearest
from data.tables import parse_yaml, read_text
from solver.aim import Aim, GridFactorsSpec, ObjectiveSpec, or_a_word
from solver.batch_spec import (
    SECONDS_PER_HOUR,
    Batch,
    check_batch,
    requests_of,
    with_batch_defaults,
)
from solver.blocks import UNIT, Fraction, Number, Strict
from solver.demand_spec import DemandSpec, check_demand
from solver.workload_errors import kind_of, sentence

Tokens = Annotated[Number, Field(ge=1, le=10_000_000, json_schema_extra={UNIT: "tokens"})]
Milliseconds = Annotated[Number, Field(gt=0, le=86_400_000, json_schema_extra={UNIT: "ms"})]
Percent = Annotated[Number, Field(ge=0, le=100, json_schema_extra={UNIT: "percent"})]
Percentile = Annotated[Number, Field(ge=50, le=99.99, json_schema_extra={UNIT: "percent"})]
RequestsPerSecond = Annotated[
    Number, Field(ge=1e-9, le=1e9, json_schema_extra={UNIT: "requests/s"})
]
Kilowatts = Annotated[Number, Field(gt=0, le=1e9, json_schema_extra={UNIT: "kW"})]
UsdPerHour = Annotated[Number, Field(gt=0, json_schema_extra={UNIT: "USD/h"})]

Requests = Annotated[Number, Field(gt=0, le=1e15, json_schema_extra={UNIT: "requests"})]
ManyTokens = Annotated[Number, Field(gt=0, le=1e18, json_schema_extra={UNIT: "tokens"})]

ModelReference = str | dict[str, Any]
Pricing = Literal["on_demand", "spot", "committed"]
WeightFormat = Literal["bf16", "fp8", "int8", "int4", "fp4"]
KvFormat = Literal["bf16", "fp8"]
Engine = Literal["vllm", "sglang", "trtllm"]
Disaggregation = Annotated[
    Literal["auto", "off", "only"],
    # A bare off or on of YAML arrives as a truth value; see Serving.
    WithJsonSchema({"anyOf": [{"enum": ["auto", "off", "only"]}, {"type": "boolean"}]}),
]


class LengthSpec(Strict):
    """A token length by its mean and, if it varies, one quantile of a log-normal distribution."""

    mean: Tokens
    """Mean length."""
    p50: Tokens | None = None
    """Not accepted: a median does not fix the spread. Give one of the next three."""
    p90: Tokens | None = None
    """90th percentile."""
    p95: Tokens | None = None
    """95th percentile."""
    p99: Tokens | None = None
    """99th percentile."""

    @model_validator(mode="after")
    def _one_quantile(self) -> LengthSpec:
        if len(self.quantiles) > 1:
            raise ValueError("give the mean and at most one of p90, p95, p99")
        if self.p50 is not None:
            raise ValueError("p50 does not fix the spread; give p90, p95 or p99")
        return self

    @property
    def quantiles(self) -> dict[float, float]:
        """The quantiles that are given: probability → tokens."""
        given = {0.9: self.p90, 0.95: self.p95, 0.99: self.p99}
        return {q: v for q, v in given.items() if v is not None}


class Sla(Strict):
    """Latency targets at a percentile; null means no target."""

    ttft_ms: Milliseconds | None = 1000.0
    """Time to first token, from arrival, waiting included; null for no target."""
    tpot_ms: Milliseconds | None = 50.0
    """Time per output token after the first, (end to end − TTFT)/(osl − 1) of a request; null for
    no target."""
    e2e_ms: Milliseconds | None = None
    """Arrival to last token; null for no target."""
    percentile: Percentile = 99.0
    """Share of requests that must keep each target, 50 to 99.99."""


class SlaOverride(Strict):
    """Targets of one class that replace those of the workload."""

    ttft_ms: Milliseconds | None = None
    """Replaces the workload's `sla.ttft_ms` for this class; an explicit null lifts the target."""
    tpot_ms: Milliseconds | None = None
    """Replaces the workload's `sla.tpot_ms`, likewise."""
    e2e_ms: Milliseconds | None = None
    """Replaces the workload's `sla.e2e_ms`, likewise."""
    percentile: Percentile | None = None
    """Replaces the workload's `sla.percentile`; null keeps it."""


def _rate_or_number(schema: JsonDict) -> None:
    """Say in a JSON schema that a class has a rate or, in a batch, a number."""
    schema["required"] = ["name"]
    null: JsonDict = {"type": "null"}
    number: JsonDict = {"type": "number"}
    schema["oneOf"] = [
        {"required": ["rate_rps"], "properties": {"requests": null, "tokens": null}},
        {"required": ["requests"], "properties": {"requests": number, "tokens": null}},
        {"required": ["tokens"], "properties": {"tokens": number, "requests": null}},
    ]


class ClassSpec(Strict):
    """One class of requests. Lengths may be left out only with measured capacities."""

    model_config = ConfigDict(json_schema_extra=_rate_or_number)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """Name of the class; names must differ."""
    rate_rps: RequestsPerSecond
    """Mean arrival rate of the whole class; in a batch it follows from the next two and is left
    out."""
    requests: Requests | None = None
    """In a batch: requests to drain."""
    tokens: ManyTokens | None = None
    """In a batch, in place of `requests`: output tokens to produce, at the mean of `osl` each."""
    isl: Tokens | LengthSpec | None = None
    """Input length: a number, or a distribution. Needed unless capacities are measured."""
    osl: Tokens | LengthSpec | None = None
    """Output length, likewise."""
    model: ModelReference | None = None
    """Model of this class; null takes that of the workload."""
    sla: SlaOverride | None = None
    """Targets of this class, which replace those of the workload one by one."""


class Hardware(Strict):
    """Which offers may be bought, and the limits of the whole fleet; null means no limit."""

    accelerators: list[str] | None = None
    """Catalogue names or aliases that may be bought; null for all."""
    providers: list[str] | None = None
    """Providers that may be bought from; null for all."""
    regions: list[str] | None = None
    """Regions, in the providers' own naming; null for all."""
    pricing: Annotated[list[Pricing], Field(min_length=1)] = ["on_demand"]
    """Any of `on_demand`, `spot`, `committed`."""
    max_gpus: (
        Annotated[int, Field(ge=1, le=10_000_000, json_schema_extra={UNIT: "accelerators"})] | None
    ) = None
    """Most accelerators bought, idle ones included; null for no limit."""
    max_cost_per_hour_usd: UsdPerHour | None = None
    """Budget; null for no limit."""
    max_power_kw: Kilowatts | None = None
    """Most rated power of all accelerators bought, idle ones included: their TDP, without hosts,
    networks and cooling. Accelerators whose TDP is not published are then left out; null for no
    limit."""
    max_providers: (
        Annotated[int, Field(ge=1, le=10_000, json_schema_extra={UNIT: "providers"})] | None
    ) = None
    """Most providers bought from; null for no limit."""
    spare_replicas: Annotated[int, Field(ge=0, le=1000, json_schema_extra={UNIT: "replicas"})] = 0
    """Replicas of every pool that the load does not need, so that as many may fail."""
    max_spot_share: Annotated[Fraction, Field(ge=0, le=1)] | None = None
    """Most of the replicas of each configuration that may run on nodes which the provider can take
    back, so that the rest survives all interruptions at once; null for no limit."""
    spot_headroom: Annotated[Fraction, Field(ge=0, le=10)] = 0.0
    """Nodes of each interruptible offer that are kept free for replicas whose node was taken back,
    as a share of the nodes in use: 0.25 is one free node for four."""


class PrecisionSpec(Strict):
    """Formats that may be used. Null weights: bf16, fp8, int4 and the published format."""

    weights: Annotated[list[WeightFormat], Field(min_length=1)] | None = None
    """Weight formats that may be used, of `bf16`, `fp8`, `int8`, `int4`, `fp4`; null for bf16, fp8,
    int4 and the format the checkpoint was published in."""
    kv: Annotated[list[KvFormat], Field(min_length=1)] = ["bf16", "fp8"]
    """Formats of the KV cache that may be used."""
    max_quality_loss_pct: Percent = 1.0
    """Most quality that a class may lose on average against the published checkpoint; losses of
    formats are in `data/precisions.csv`."""


class Serving(Strict):
    """How the engine is run."""

    engine: Engine = "vllm"
    """`vllm`, `sglang` or `trtllm`: whose coefficients apply."""
    disaggregation: Disaggregation = "auto"
    """`auto` weighs separate prefill and decode pools against aggregated ones, `off` allows only
    aggregated pools, `only` only separate ones."""
    chunk_tokens: Annotated[
        int, Field(ge=128, le=1_000_000, json_schema_extra={UNIT: "tokens"})
    ] = 8192
    """Token budget of one engine step (chunked prefill)."""
    prefix_cache_hit_rate: Annotated[Fraction, Field(ge=0, le=0.99)] = 0.0
    """Share of each prompt that the prefix cache already holds. It saves prefill work; no memory is
    counted as saved."""
    max_utilization: Annotated[Fraction, Field(gt=0, le=1)] = 0.9
    """Share of a replica's saturation rate that a plan may use."""
    arrival_cv: Annotated[Number, Field(ge=0, le=100)] = 1.0
    """Coefficient of variation of the times between arrivals: 1 for Poisson, above for bursts."""

    @field_validator("disaggregation", mode="before")
    @classmethod
    def _yaml_words(cls, value: object) -> object:
        """YAML reads a bare ``off`` as false and ``on`` as true."""
        return {False: "off", True: "auto"}.get(value, value) if isinstance(value, bool) else value


_CLASSES_OR_TRACE: JsonDict = {
    "required": ["model"],
    "oneOf": [
        {"required": ["classes"], "properties": {"trace": {"type": "null"}}},
        {"required": ["trace"], "properties": {"trace": {"type": "string"}, "classes": False}},
    ],
}
"""Either is needed; a trace becomes classes before the fields are checked."""


class Workload(Strict):
    """What is to be served, how fast, and with which hardware."""

    model_config = ConfigDict(json_schema_extra=_CLASSES_OR_TRACE)

    schema_: Literal["minfleet/workload/v1"] = Field(default="minfleet/workload/v1", alias="schema")
    """Version of this file format."""
    model: ModelReference
    """A catalogue name (`minfleet catalog list models`), a Hugging Face id (needs the extra
    `minfleet[hub]` and a network), `{config: ./config.json}`, whose path starts from the
    workload's folder, or the config itself: `{config: {…}, name: NAME}`."""
    classes: Annotated[list[ClassSpec], Field(min_length=1, max_length=1000)]
    """One entry for each kind of request; up to 1,000. Left out if `trace` is given."""
    sla: Sla = Sla()
    """Latency targets of every class."""
    hardware: Hardware = Hardware()
    """Which offers may be bought, and the limits of the fleet."""
    precision: PrecisionSpec = PrecisionSpec()
    """Which formats may be used."""
    serving: Serving = Serving()
    """How the engine is run."""
    objective: Annotated[ObjectiveSpec, Field(json_schema_extra=or_a_word)] = ObjectiveSpec()
    """What the plan makes smallest (a word, or a block), and how power is counted."""
    batch: Batch | None = None
    """A deadline for requests that wait, in place of rates; null for requests that arrive."""
    demand: DemandSpec | None = None
    """How rates change over the day and the months; null for rates that stay."""
    trace: str | None = None
    """A file of requests in place of `classes`: CSV or JSON lines."""
    _folder: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="before")
    @classmethod
    def _batch_defaults(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and content.get("batch") is not None:
            return with_batch_defaults(content)
        return content

    @model_validator(mode="after")
    def _kinds_of_load(self) -> Workload:
        check_batch(self)
        check_demand(self)
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Workload:
        names = [c.name for c in self.classes]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"classes: the name {twice[0]!r} is used twice; names must differ")
        return self

    @property
    def folder(self) -> Path:
        """Folder that relative paths in the workload start from."""
        return self._folder

    @classmethod
    def load(cls, path: str | Path) -> Workload:
        """Read a workload file (YAML or JSON).

        Raises
        ------
        WorkloadError
            If a field is wrong; the sentence names the file, the field and the fix.
        InputError
            If the file cannot be read or parsed.
        """
        path = Path(path)
        content = parse_yaml(read_text(path, "workload"), str(path))
        return cls.parse(content, place=str(path), folder=path.parent)

    @classmethod
    def parse(
        cls, content: Any, *, place: str = "workload", folder: Path | None = None
    ) -> Workload:
        """Check the parsed content of a workload file.

        Parameters
        ----------
        content
            A mapping, as read from YAML or JSON.
        place
            Name of the file, for error messages.
        folder
            Folder that relative paths start from.
        """
        if not isinstance(content, Mapping):
            raise WorkloadError(
                f"{place}: must be a mapping with 'model' and 'classes', not {kind_of(content)}."
            )
        content = dict(content)
        if content.get("trace") is not None:
            from solver.trace_classes import classes_of_trace

            content = classes_of_trace(content, place, folder or Path())
        try:
            workload = cls.model_validate(content)
        except ValidationError as error:
            raise WorkloadError(f"{place}: {sentence(error, content, _unknown_key)}") from None
        workload._folder = folder or Path()
        return workload

    def drained_in(self, hours: float) -> Workload:
        """Return the batch at the rates that drain it in so many hours of service."""
        seconds = hours * SECONDS_PER_HOUR
        numbers = [requests_of(c.model_dump()) for c in self.classes]
        classes = [
            c.model_copy(update={"rate_rps": number / seconds})
            for c, number in zip(self.classes, numbers, strict=True)
        ]
        return self._with(classes=classes)

    def at_rates(self, factor: float) -> Workload:
        """Return the workload with every rate multiplied."""
        classes = [c.model_copy(update={"rate_rps": c.rate_rps * factor}) for c in self.classes]
        return self._with(classes=classes)

    def most_load_within(self, budget_usd_per_hour: float) -> Workload:
        """Return the workload that asks for the most load that a budget serves.

        Raises
        ------
        WorkloadError
            If it asks for something else already, such as a batch.
        """
        limit = {"max_cost_per_hour_usd": budget_usd_per_hour}
        return self._aiming({"maximize": "load", "minimize": "cost", "then": None}, limit)

    def minimizing(self, aim: Aim) -> Workload:
        """Return the workload with another `objective.minimize`, and the default `then`.

        Raises
        ------
        WorkloadError
            If it is a batch.
        """
        return self._aiming({"maximize": None, "minimize": aim, "then": None}, {})

    def _aiming(self, aim: Mapping[str, Any], limits: Mapping[str, Any]) -> Workload:
        content = self.to_dict()
        content["objective"] |= aim
        content["hardware"] |= limits
        return Workload.parse(content, folder=self._folder)

    def _with(self, **changes: Any) -> Workload:
        changed = self.model_copy(update=changes)
        changed._folder = self._folder
        return changed

    def to_dict(self) -> dict[str, Any]:
        """Return the workload with every default filled in, ready for JSON.

        Of a traced workload these are the classes that its trace became, without the trace.
        Targets that a class leaves to the workload stay left out: a null would lift them.
        """
        document = self.model_dump(mode="json", by_alias=True) | {"trace": None}
        for spec, entry in zip(self.classes, document["classes"], strict=True):
            if spec.sla is not None:
                entry["sla"] = spec.sla.model_dump(mode="json", exclude_unset=True)
        return document


_FIELDS: dict[str, type[BaseModel]] = {
    "sla": Sla,
    "hardware": Hardware,
    "precision": PrecisionSpec,
    "serving": Serving,
    "isl": LengthSpec,
    "osl": LengthSpec,
    "classes": ClassSpec,
    "objective": ObjectiveSpec,
    "grid_gco2e_per_kwh": GridFactorsSpec,
    "batch": Batch,
    "demand": DemandSpec,
}


def _unknown_key(loc: tuple[int | str, ...], place: str) -> str:
    parent = [p for p in loc[:-1] if isinstance(p, str) and p in _FIELDS]
    owner: type[BaseModel] = _FIELDS[parent[-1]] if parent else Workload
    known = [f.alias or n for n, f in owner.model_fields.items()]
    near = nearest(str(loc[-1]), known)
    meant = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}."
    return f"unknown key {place!r}; {meant}"
