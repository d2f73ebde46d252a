"""What a transformer is made of: shapes, parameter counts, KV cache, attention work.

Everything here counts elements, not bytes: bytes depend on the precision that a plan chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Attention:
    """The attention (or recurrence) of one layer.

    Attributes
    ----------
    kind
        ``full``, ``window`` (sliding or chunked), ``mla`` or ``linear`` (fixed state).
    params
        Projection parameters, biases included.
    kv_elements
        Elements cached per token: 2·kv_heads·head_dim; MLA: kv_lora_rank + rope dim.
    kv_shards
        Largest number of TP ranks that split the cache; beyond it heads are replicated.
        1 for MLA, whose latent is replicated on every rank.
    window
        Tokens a window layer keeps; None elsewhere.
    state_elements
        Elements of the fixed recurrent state of a linear layer, a sequence.
    score_flops
        Flops per (query token, context token) pair during prefill: 2·heads·(d_qk + d_v).
    norm_reduces
        All-reduces of norm statistics under TP, where queries and keys are normalised over all
        heads together.
    indexed
        Whether an indexer picks the tokens that are attended to (sparse attention).
    """

    kind: str
    params: float
    kv_elements: float
    kv_shards: int
    window: int | None
    state_elements: float
    score_flops: float
    norm_reduces: int = 0
    indexed: bool = False


@dataclass(frozen=True)
class Mlp:
    """The feed-forward part of one layer.

    Attributes
    ----------
    always_params
        Parameters every token passes: a dense MLP, or shared experts and router.
    experts, top_k
        Routed experts and how many a token visits; 0 for a dense layer.
    expert_params
        Parameters of one routed expert.
    width
        Widest intermediate activation a token needs here (elements).
    """

    always_params: float
    experts: int
    top_k: int
    expert_params: float
    width: float


@dataclass(frozen=True)
class LayerGroup:
    """`count` equal layers; they need not be adjacent."""

    count: int
    attention: Attention
    mlp: Mlp


@dataclass(frozen=True)
class Architecture:
    """A decoder-only language model.

    Attributes
    ----------
    embedding_params
        Input embeddings (token and learned positions); read one row a token.
    head_params
        Output projection; equals the token embedding when tied, and is then stored once.
    tied
        Whether the output projection shares the input embedding.
    other_params
        Norms and other small vectors.
    native_precision
        Weight format of the published checkpoint.
    query_heads
        Attention heads; a TP degree must divide them.
    """

    name: str
    hidden: int
    vocab: int
    groups: tuple[LayerGroup, ...]
    embedding_params: float
    head_params: float
    tied: bool
    other_params: float
    max_context: int | None
    native_precision: str
    query_heads: int

    @cached_property
    def layers(self) -> int:
        """Number of layers."""
        return sum(g.count for g in self.groups)

    @cached_property
    def norm_reduces(self) -> int:
        """All-reduces of norm statistics in all layers, under TP."""
        return sum(g.count * g.attention.norm_reduces for g in self.groups)

    @cached_property
    def indexed_layers(self) -> int:
        """Number of layers with an indexer of sparse attention."""
        return sum(g.count for g in self.groups if g.attention.indexed)

    @cached_property
    def moe_layers(self) -> int:
        """Number of layers with routed experts."""
        return sum(g.count for g in self.groups if g.mlp.experts)

    @cached_property
    def always_params(self) -> float:
        """Layer parameters that every token passes (attention, dense MLPs, shared experts)."""
        return sum(g.count * (g.attention.params + g.mlp.always_params) for g in self.groups)

    @cached_property
    def attention_params(self) -> float:
        """Parameters of the attention of all layers."""
        return sum(g.count * g.attention.params for g in self.groups)

    @cached_property
    def expert_params(self) -> float:
        """Parameters of all routed experts."""
        return sum(g.count * g.mlp.experts * g.mlp.expert_params for g in self.groups)

    @cached_property
    def routed_params(self) -> float:
        """Parameters of the routed experts that one token visits."""
        return sum(g.count * g.mlp.top_k * g.mlp.expert_params for g in self.groups)

    @cached_property
    def routing(self) -> tuple[int, int]:
        """(experts, top_k) of the MoE layers; (0, 0) for a dense model."""
        return max(((g.mlp.experts, g.mlp.top_k) for g in self.groups), default=(0, 0))

    @cached_property
    def expert_width(self) -> float:
        """Intermediate elements of the narrowest routed expert; 0 for a dense model."""
        experts = [g.mlp.expert_params for g in self.groups if g.mlp.experts]
        return min(experts, default=0.0) / (3 * self.hidden)

    @cached_property
    def params_total(self) -> float:
        """All parameters; a tied output projection counts once."""
        head = 0.0 if self.tied else self.head_params
        layers = self.always_params + self.expert_params
        return layers + self.embedding_params + head + self.other_params

    @cached_property
    def params_active(self) -> float:
        """Parameters one token passes, embeddings included, as model cards count them."""
        return self.params_total - self.expert_params + self.routed_params

    @cached_property
    def widest_activation(self) -> float:
        """Widest intermediate activation a token needs in any layer (elements)."""
        return max(g.mlp.width for g in self.groups)
