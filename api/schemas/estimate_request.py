"""What an estimate is asked about: one replica configuration and the requests it gets."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from api.schemas.units import unit
from api.schemas.words import Role
from solver.workload import Engine, KvFormat, WeightFormat

_Tokens = Annotated[float, unit("tokens", ge=1, le=1e7)]
_Target = Annotated[float, unit("ms", gt=0)]


class EstimateRequest(BaseModel):
    """One replica configuration and the requests it gets."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    model: str | dict[str, Any]
    """A catalogue name, a Hugging Face id, or the config itself: `{config: {…}, name: NAME}`."""
    accelerator: str
    """Catalogue name or alias, e.g. h100_sxm."""
    tp: Annotated[int, unit("accelerators", ge=1, le=1024)] = 1
    """Tensor-parallel degree."""
    pp: Annotated[int, unit("stages", ge=1, le=64)] = 1
    """Pipeline-parallel degree."""
    ep: Annotated[int, unit("accelerators", ge=1, le=1024)] = 1
    """Expert-parallel degree: 1 or the TP degree."""
    weights: WeightFormat = "bf16"
    """Weight format."""
    kv: KvFormat = "bf16"
    """KV-cache format."""
    batch_cap: Annotated[int, unit("sequences", ge=1, le=65_536)] = 256
    """Most sequences decoded at once."""
    role: Role = "aggregated"
    """Role of the replica."""
    isl: _Tokens = 1024.0
    """Prompt tokens."""
    osl: _Tokens = 256.0
    """Output tokens."""
    rate_rps: Annotated[float, unit("requests/s", gt=0, le=1e6)] | None = None
    """Requests/s on this replica; the most it admits by default."""
    ttft_ms: _Target | None = 1000.0
    """TTFT target; null for none."""
    tpot_ms: _Target | None = 50.0
    """TPOT target; null for none."""
    e2e_ms: _Target | None = None
    """End-to-end target; null for none."""
    percentile: Annotated[float, unit("percent", ge=50, le=99.99)] = 99.0
    """Percentile of the targets."""
    engine: Engine = "vllm"
    """Serving engine."""
    chunk_tokens: Annotated[int, unit("tokens", ge=128, le=1_000_000)] = 8192
    """Token budget of one step."""
    prefix_hit: Annotated[float, unit("fraction", ge=0, le=0.99)] = 0.0
    """Share of the prompt that the prefix cache holds."""
    max_utilization: Annotated[float, unit("fraction", gt=0, le=1)] = 0.9
    """Share of saturation to use."""
    network_gbps: Annotated[float, unit("Gbit/s", ge=0, le=1e6)] = 0.0
    """Network of the replica: KV hand-over, or pipeline stages between nodes."""
    cross_node: bool = False
    """Put each pipeline stage on a node of its own."""
