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
    ValidationInfo,
    field_validator,
    model_validator,
)

from data.errors import WorkloadError, nearest
from data.tables import parse_yaml, read_text

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Tokens = Annotated[float, Field(ge=1, le=10_000_000, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, le=86_400_000, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
ModelReference = str | dict[str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        """YAML reads yes, on and true as a truth value, which would count as the number 1."""
        if isinstance(value, bool) and info.field_name != "disaggregation":
            raise ValueError("should not be true or false")
        return value


class LengthSpec(_Strict):
    """A token length given by its mean and, if it varies, one quantile."""

    mean: Tokens
    p50: Tokens | None = None
    p90: Tokens | None = None
    p95: Tokens | None = None
    p99: Tokens | None = None

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


class Sla(_Strict):
    """Latency targets at a percentile; null means no target.

    Attributes
    ----------
    ttft_ms, tpot_ms, e2e_ms
        Time to first token, time per output token after it, whole request (milliseconds).
    percentile
        Share of requests (percent) that must meet each target.
    """

    ttft_ms: Milliseconds | None = 1000.0
    tpot_ms: Milliseconds | None = 50.0
    e2e_ms: Milliseconds | None = None
    percentile: Annotated[float, Field(ge=50, le=99.99, allow_inf_nan=False)] = 99.0


class SlaOverride(_Strict):
    """Targets of one class that replace those of the workload."""

    ttft_ms: Milliseconds | None = None
    tpot_ms: Milliseconds | None = None
    e2e_ms: Milliseconds | None = None
    percentile: Annotated[float, Field(ge=50, le=99.99, allow_inf_nan=False)] | None = None


class ClassSpec(_Strict):
    """One class of requests. Lengths may be left out only with measured capacities."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    rate_rps: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    isl: Tokens | LengthSpec | None = None
    osl: Tokens | LengthSpec | None = None
    model: ModelReference | None = None
    sla: SlaOverride | None = None


class Hardware(_Strict):
    """Which offers may be bought, and the limits of the whole fleet; null means no limit."""

    accelerators: list[str] | None = None
    providers: list[str] | None = None
    regions: list[str] | None = None
    pricing: Annotated[list[Literal["on_demand", "spot", "committed"]], Field(min_length=1)] = [
        "on_demand"
    ]
    max_gpus: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_cost_per_hour_usd: Positive | None = None
    spare_replicas: Annotated[int, Field(ge=0, le=1000)] = 0


class PrecisionSpec(_Strict):
    """Formats that may be used. Null weights: bf16, fp8, int4 and the published format."""

    weights: (
        Annotated[list[Literal["bf16", "fp8", "int8", "int4", "fp4"]], Field(min_length=1)] | None
    ) = None
    kv: Annotated[list[Literal["bf16", "fp8"]], Field(min_length=1)] = ["bf16", "fp8"]
    max_quality_loss_pct: Percent = 1.0


class Serving(_Strict):
    """How the engine is run.

    Attributes
    ----------
    disaggregation
        ``auto`` weighs prefill and decode pools against aggregated ones, ``off`` allows only
        aggregated pools, ``only`` only disaggregated ones.
    chunk_tokens
        Token budget of one engine step.
    arrival_cv
        Coefficient of variation of inter-arrival times; 1 for Poisson.
    max_utilization
        Share of a replica's saturation rate that plans may use.
    """

    engine: Literal["vllm", "sglang", "trtllm"] = "vllm"
    disaggregation: Literal["auto", "off", "only"] = "auto"
    chunk_tokens: Annotated[int, Field(ge=128, le=1_000_000)] = 8192
    prefix_cache_hit_rate: Annotated[float, Field(ge=0, le=0.99, allow_inf_nan=False)] = 0.0
    max_utilization: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.9
    arrival_cv: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 1.0

    @field_validator("disaggregation", mode="before")
    @classmethod
    def _yaml_words(cls, value: object) -> object:
        """YAML reads a bare ``off`` as false and ``on`` as true."""
        return {False: "off", True: "auto"}.get(value, value) if isinstance(value, bool) else value


class Workload(_Strict):
    """What is to be served. See the module's page in the documentation for each field."""

    schema_: Literal["minfleet/workload/v1"] = Field(default="minfleet/workload/v1", alias="schema")
    model: ModelReference
    classes: Annotated[list[ClassSpec], Field(min_length=1, max_length=1000)]
    sla: Sla = Sla()
    hardware: Hardware = Hardware()
    precision: PrecisionSpec = PrecisionSpec()
    serving: Serving = Serving()
    trace: str | None = None
    _folder: Path = PrivateAttr(default_factory=Path)

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
                f"{place}: must be a mapping with 'model' and 'classes', not {_kind(content)}."
            )
        content = dict(content)
        if content.get("trace") is not None:
            from solver.trace_classes import classes_of_trace

            content = classes_of_trace(content, place, folder or Path())
        try:
            workload = cls.model_validate(content)
        except ValidationError as error:
            raise WorkloadError(f"{place}: {_sentence(error, content)}") from None
        workload._folder = folder or Path()
        return workload

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


def _kind(value: object) -> str:
    names = {list: "a list", str: "text", type(None): "nothing", int: "a number"}
    return names.get(type(value), type(value).__name__)


_FIELDS: dict[str, type[BaseModel]] = {
    "sla": Sla,
    "hardware": Hardware,
    "precision": PrecisionSpec,
    "serving": Serving,
    "isl": LengthSpec,
    "osl": LengthSpec,
    "classes": ClassSpec,
}


SHOWN = 80
"""Characters of a wrong value that its error repeats."""


def _sentence(error: ValidationError, content: Mapping[str, Any]) -> str:
    """Turn the first of pydantic's complaints into one sentence with place and fix."""
    complaints = error.errors(include_url=False)
    first = min(complaints, key=lambda e: (_rank(e), -len(e["loc"])))
    place = _place(first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_key(first["loc"], place)
    if first["type"] == "missing" and first["loc"][-1] == "mean":
        return f"{place} is missing; a length has a mean and at most one of p90, p95 and p99."
    if first["type"] == "missing":
        return f"{place} is missing; every workload needs 'model' and 'classes'" + (
            ", and every class 'name' and 'rate_rps'." if "." in place else "."
        )
    given = first.get("input")
    text = repr(given)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    shown = "" if isinstance(given, (Mapping, list)) else f" (got {text})"
    message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{place or 'workload'} {message}{shown}."


def _rank(complaint: Any) -> int:
    """Order complaints: an unknown key first, the branch of a union that was not meant last."""
    if complaint["type"] == "extra_forbidden":
        return 0
    if complaint["type"] == "float_type" and isinstance(complaint.get("input"), Mapping):
        return 3
    return 2 if complaint["type"] in ("model_type", "dict_type", "string_type") else 1


_BRANCHES = ("LengthSpec", "float", "str", "constrained-float", "dict[str,str]")
"""What pydantic calls the branches of a union; they are no place in a file."""


def _place(loc: tuple[int | str, ...]) -> str:
    words = ""
    for part in loc:
        if isinstance(part, int):
            words += f"[{part}]"
        elif part not in _BRANCHES and not part.startswith("function-"):
            words += f".{part}" if words else str(part)
    return words


def _unknown_key(loc: tuple[int | str, ...], place: str) -> str:
    parent = [p for p in loc[:-1] if isinstance(p, str) and p in _FIELDS]
    owner: type[BaseModel] = _FIELDS[parent[-1]] if parent else Workload
    known = [f.alias or n for n, f in owner.model_fields.items()]
    near = nearest(str(loc[-1]), known)
    meant = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}."
    return f"unknown key {place!r}; {meant}"
