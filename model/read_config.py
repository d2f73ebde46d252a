"""Reading a Hugging Face ``config.json`` into an `Architecture`.

The file is read as JSON. No code of a model repository is ever run, and an architecture
whose shapes cannot be derived is refused rather than guessed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from data.errors import InputError
from data.models import ModelSource
from model.architecture import Architecture, Attention, LayerGroup, Mlp

_PLAIN_MLP = {"gpt2", "opt", "falcon", "gptj", "gpt_neox", "bloom", "mpt", "phi", "starcoder2"}
_BIASED = {"gpt2", "opt", "gpt_neox", "bloom", "starcoder2"}
_TIED = {"gpt2", "opt", "falcon", "gemma", "gemma2", "gemma3", "gemma3_text"}
"""Families whose configs leave tie_word_embeddings to the library default, True."""

_QKV_BIASED = {"qwen2", "qwen2_moe"}
_SYNONYMS = {
    "hidden_size": ("n_embd", "d_model"),
    "num_hidden_layers": ("n_layer", "num_layers", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "num_key_value_heads": ("num_kv_heads", "multi_query_group_num"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size"),
    "max_position_embeddings": ("n_positions", "seq_length"),
    "experts": ("num_experts", "num_local_experts", "n_routed_experts"),
    "top_k": ("num_experts_per_tok", "moe_topk", "num_experts_per_token"),
}


LARGEST = {"num_hidden_layers": 10_000, "hidden_size": 1e7, "vocab_size": 1e8}
"""More than any model has, or will for long; figures beyond it are damaged."""


class _Config:
    """The language part of a config, with the field's synonyms folded together."""

    def __init__(self, source: ModelSource) -> None:
        self.name = source.name
        outer = source.config
        inner = outer.get("text_config") or outer.get("llm_config") or {}
        self._raw: dict[str, Any] = {**outer, **inner} if isinstance(inner, dict) else {**outer}
        self.family = str(self._raw.get("model_type", ""))

    def get(self, key: str, default: Any = None) -> Any:
        for name in (key, *_SYNONYMS.get(key, ())):
            if self._raw.get(name) is not None:
                return self._raw[name]
        return default

    def number(self, key: str, default: float | None = None) -> int:
        value = self.get(key, default)
        if isinstance(value, (list, tuple)):
            value = value[0] if value and all(v == value[0] for v in value) else None
        usable = isinstance(value, (int, float)) and not isinstance(value, bool)
        most = LARGEST.get(key, 1e9)
        if not usable or not 0 <= value <= most or value != int(value):
            raise InputError(
                f"{self.name}: its config gives no usable {key!r} "
                f"({value!r}); minfleet cannot derive its shapes."
            )
        return int(value)

    def layers(self, key: str) -> set[int]:
        """Return the layers that a list names; none where it is left out."""
        value = self.get(key, [])
        if not isinstance(value, list) or not all(type(v) is int for v in value):
            raise InputError(f"{self.name}: its config gives no usable {key!r} ({value!r}).")
        return set(value)


def read_architecture(source: ModelSource) -> Architecture:
    """Return the architecture of a published config.

    Parameters
    ----------
    source
        From `data.models.find_model`.

    Raises
    ------
    InputError
        If the config is not a decoder whose shapes can be derived.
    """
    c = _Config(source)
    if c.get("is_encoder_decoder"):
        raise InputError(f"{c.name}: encoder-decoder models are not supported.")
    hidden, layers, vocab = (
        c.number("hidden_size"),
        c.number("num_hidden_layers"),
        c.number("vocab_size"),
    )
    if not hidden or not layers:
        raise InputError(f"{c.name}: hidden_size and num_hidden_layers must be at least 1.")
    kinds = _layer_kinds(c, layers)
    sparse = _sparse_layers(c, layers)
    groups = tuple(
        LayerGroup(count, _attention(c, kind), _mlp(c, is_sparse))
        for (kind, is_sparse), count in Counter(zip(kinds, sparse, strict=True)).items()
    )
    caches = [
        (g.attention.kv_shards, g.attention.kv_elements + g.attention.state_elements)
        for g in groups
    ]
    if not all(shards and elements for shards, elements in caches):
        raise InputError(f"{c.name}: its config gives a layer no key-value or state heads.")
    tied = c.get("tie_word_embeddings")
    if tied is None:
        tied = c.family in _TIED
    return Architecture(
        name=source.name,
        hidden=hidden,
        vocab=vocab,
        groups=groups,
        embedding_params=float(vocab * hidden + _positions(c) * hidden),
        head_params=float(vocab * hidden),
        tied=bool(tied),
        other_params=float(2 * hidden * layers + hidden),
        max_context=c.number("max_position_embeddings", 0) or None,
        native_precision=source.native_precision,
        query_heads=c.number("num_attention_heads"),
    )


def _positions(c: _Config) -> int:
    """Learned position embeddings; rotary and ALiBi models have none."""
    if c.family == "opt":
        return c.number("max_position_embeddings") + 2
    return c.number("max_position_embeddings") if c.family == "gpt2" else 0


def _layer_kinds(c: _Config, layers: int) -> list[str]:
    """Attention kind of each layer: full, window, mla or linear."""
    if c.get("layer_types"):
        names = {
            "full_attention": "full",
            "sliding_attention": "window",
            "chunked_attention": "window",
            "linear_attention": "linear",
            "attention": "full",
            "mamba": "linear",
        }
        try:
            kinds = [names[t] for t in c.get("layer_types")]
        except (KeyError, TypeError) as error:
            raise InputError(f"{c.name}: unknown layer type {error} in layer_types.") from None
        if len(kinds) != layers:
            raise InputError(f"{c.name}: layer_types has {len(kinds)} entries for {layers} layers.")
    elif c.get("full_attention_interval"):
        every = c.number("full_attention_interval")
        kinds = ["full" if (i + 1) % every == 0 else "linear" for i in range(layers)]
    elif c.get("attn_layer_period"):
        every, offset = c.number("attn_layer_period"), c.number("attn_layer_offset", 0)
        kinds = ["full" if i % every == offset else "linear" for i in range(layers)]
    elif c.get("sliding_window") and c.get("use_sliding_window", True):
        default = {"gemma2": 2, "gemma3_text": 6, "gemma3": 6, "gpt_oss": 2}.get(c.family, 0)
        every = c.number("sliding_window_pattern", default)
        kinds = ["full" if every and (i + 1) % every == 0 else "window" for i in range(layers)]
    elif c.get("attention_chunk_size"):
        kinds = ["full" if (i + 1) % 4 == 0 else "window" for i in range(layers)]
    else:
        kinds = ["full"] * layers
    if c.get("kv_lora_rank"):
        kinds = ["mla" if k == "full" else k for k in kinds]
    return kinds


def _sparse_layers(c: _Config, layers: int) -> list[bool]:
    """Whether each layer routes its tokens to experts."""
    if c.number("experts", 0) <= 1:
        return [False] * layers
    if c.get("expert_layer_period"):
        every, offset = c.number("expert_layer_period"), c.number("expert_layer_offset", 0)
        return [i % every == offset for i in range(layers)]
    if c.get("moe_layers"):
        listed = c.layers("moe_layers")
        return [i in listed for i in range(layers)]
    step = c.number("interleave_moe_layer_step", c.number("decoder_sparse_step", 1)) or 1
    step = max(step, c.number("moe_layer_freq", 1))
    dense_first = c.number("first_k_dense_replace", 0)
    dense = c.layers("mlp_only_layers")
    return [i >= dense_first and i not in dense and (i + 1) % step == 0 for i in range(layers)]


def _attention(c: _Config, kind: str) -> Attention:
    if kind == "mla":
        return _mla(c)
    if kind == "linear":
        return _mamba(c) if c.get("mamba_d_state") else _delta_net(c)
    hidden, heads = c.number("hidden_size"), c.number("num_attention_heads")
    if not heads:
        raise InputError(f"{c.name}: num_attention_heads must be at least 1.")
    head_dim = c.number("head_dim", hidden // heads)
    kv_heads = c.number("num_key_value_heads", heads)
    if c.family == "falcon" and c.get("multi_query") and not c.get("new_decoder_architecture"):
        kv_heads = 1
    gate = 2 if c.family in ("qwen3_next", "qwen3_5_moe", "qwen3_5_moe_text") else 1
    q, kv = heads * head_dim, kv_heads * head_dim
    params = hidden * q * gate + 2 * hidden * kv + q * hidden
    if c.family in _BIASED or c.get("attention_bias"):
        params += q + 2 * kv + hidden
    elif c.family in _QKV_BIASED:
        params += q + 2 * kv
    window = None
    if kind == "window":
        window = c.number("sliding_window", c.get("attention_chunk_size"))
    return Attention(
        kind=kind,
        params=float(params),
        kv_elements=2.0 * kv,
        kv_shards=kv_heads,
        window=window,
        state_elements=0.0,
        score_flops=4.0 * q,
        norm_reduces=1 if c.get("use_qk_norm") and c.get("qk_norm_type") == "per_layer" else 0,
    )


def _mla(c: _Config) -> Attention:
    """Multi-head latent attention (DeepSeek-V2 report, arXiv 2405.04434)."""
    hidden, heads = c.number("hidden_size"), c.number("num_attention_heads")
    latent, rope = c.number("kv_lora_rank"), c.number("qk_rope_head_dim")
    nope, value = c.number("qk_nope_head_dim"), c.number("v_head_dim")
    q_rank = c.number("q_lora_rank", 0)
    q_out = heads * (nope + rope)
    query = hidden * q_rank + q_rank * q_out if q_rank else hidden * q_out
    indexer, index_keys = 0, 0
    if c.get("index_n_heads"):
        index_heads, index_dim = c.number("index_n_heads"), c.number("index_head_dim")
        indexer = (q_rank or hidden) * index_heads * index_dim + hidden * (index_dim + index_heads)
        index_keys = index_dim
    params = (
        query
        + indexer
        + hidden * (latent + rope)
        + latent * heads * (nope + value)
        + heads * value * hidden
    )
    return Attention(
        kind="mla",
        params=float(params),
        kv_elements=float(latent + rope + index_keys),
        kv_shards=1,
        window=None,
        state_elements=0.0,
        score_flops=2.0 * heads * (nope + rope + value),
        indexed=bool(c.get("index_n_heads")),
    )


def _delta_net(c: _Config) -> Attention:
    """Gated DeltaNet layer (Qwen3-Next): a k×v state a head instead of a growing cache."""
    hidden = c.number("hidden_size")
    key_dim = c.number("linear_num_key_heads") * c.number("linear_key_head_dim")
    heads, value_head = c.number("linear_num_value_heads"), c.number("linear_value_head_dim")
    value_dim, kernel = heads * value_head, c.number("linear_conv_kernel_dim", 4)
    conv = (2 * key_dim + value_dim) * kernel
    params = hidden * (2 * key_dim + 2 * value_dim) + hidden * 2 * heads + conv
    params += value_dim * hidden
    return Attention(
        kind="linear",
        params=float(params),
        kv_elements=0.0,
        kv_shards=heads,
        window=None,
        state_elements=float(heads * c.number("linear_key_head_dim") * value_head + conv),
        score_flops=0.0,
    )


def _mamba(c: _Config) -> Attention:
    """Mamba-1 layer (Jamba): a state of d_state elements a channel."""
    hidden = c.number("hidden_size")
    inner = hidden * c.number("mamba_expand", 2)
    state, conv = c.number("mamba_d_state"), c.number("mamba_d_conv", 4)
    rank = c.get("mamba_dt_rank")
    rank = rank if isinstance(rank, int) else -(-hidden // 16)
    params = hidden * 2 * inner + inner * conv + inner * (rank + 2 * state)
    params += rank * inner + inner * state + inner * hidden
    return Attention(
        kind="linear",
        params=float(params),
        kv_elements=0.0,
        kv_shards=inner,
        window=None,
        state_elements=float(inner * (state + conv)),
        score_flops=0.0,
    )


def _mlp(c: _Config, sparse: bool) -> Mlp:
    hidden = c.number("hidden_size")
    matrices = 2 if c.family in _PLAIN_MLP else 3
    dense_width = c.number("intermediate_size", 4 * hidden)
    bias = c.family in _BIASED
    if not sparse:
        width = c.number("intermediate_size_mlp", dense_width)
        params = matrices * hidden * width + (width + hidden if bias else 0)
        return Mlp(float(params), 0, 0, 0.0, float(width))
    experts, top_k = c.number("experts"), c.number("top_k")
    if not 1 <= top_k <= experts:
        raise InputError(
            f"{c.name}: its config sends a token to {top_k} of {experts} experts; "
            f"the number must lie between 1 and {experts}."
        )
    width = c.number("moe_intermediate_size", dense_width)
    expert = matrices * hidden * width
    if c.family == "gpt_oss":
        expert += 2 * width + hidden
    shared = c.number("shared_expert_intermediate_size", c.number("n_shared_experts", 0) * width)
    if c.family.startswith("llama4"):
        shared = width
    always = matrices * hidden * shared + hidden * experts
    return Mlp(float(always), experts, top_k, float(expert), float(top_k * width + shared))
