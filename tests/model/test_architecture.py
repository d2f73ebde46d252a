"""Shapes and counts against figures worked by hand from the published configs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_replica import LLAMA_70B, arch, replicas, shape

from data.errors import InputError
from data.models import shipped_models, source_from_config
from model.kv_cache import kv_bytes
from model.read_config import read_architecture

SMALL = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}


def read(**changes):
    config = {k: v for k, v in {**SMALL, **changes}.items() if v is not ...}
    return read_architecture(source_from_config(config, "small"))


def cache_elements(model):
    return sum(g.count * g.attention.kv_elements for g in arch(model).groups)


def test_llama_70b_parameters():
    """meta-llama/Llama-3.1-70B config: hidden 8192, 80 layers, 64 heads and 8 KV heads of 128.

    Attention 2·8192² + 2·8192·1024 = 150,994,944; MLP 3·8192·28672 = 704,643,072;
    two norms 16,384: 855,654,400 a layer, times 80 = 68,452,352,000. Last norm 8,192.
    Embedding and head 2·128,256·8192 = 2,101,346,304. Together 70,553,706,496.
    """
    assert arch(LLAMA_70B).params_total == 70_553_706_496
    assert arch(LLAMA_70B).params_active == 70_553_706_496


def test_llama_70b_cache():
    """2 (K and V) · 80 layers · 8 heads · 128 = 163,840 elements: 327,680 B in 16 bits."""
    assert cache_elements(LLAMA_70B) * 2 == 327_680
    r = replicas(LLAMA_70B, shape("h200_sxm", "fp8"), shape("h200_sxm", "fp8", kv="fp8"))
    assert kv_bytes(r, 1.0).tolist() == [327_680, 163_840]


def test_deepseek_v3_parameters():
    """DeepSeek-V3 (arXiv 2412.19437): 61 layers, 3 dense, hidden 7168, 256 experts, 8 visited.

    MLA: 7168·1536 + 1536·128·192 + 7168·576 + 512·128·256 + 128·128·7168 = 187,105,280.
    Dense MLP 3·7168·18432 = 396,361,728; an expert 3·7168·2048 = 44,040,192; shared expert and
    router 44,040,192 + 7168·256 = 45,875,200; embedding and head 2·129,280·7168; norms
    2·7168·61 + 7168. Active: 8 experts of 256 in 58 layers.
    """
    layers = 61 * 187_105_280 + 3 * 396_361_728 + 58 * 45_875_200
    ends = 2 * 129_280 * 7168 + 2 * 7168 * 61 + 7168
    assert arch("deepseek-v3").params_total == layers + 58 * 256 * 44_040_192 + ends
    assert arch("deepseek-v3").params_active == layers + 58 * 8 * 44_040_192 + ends
    assert arch("deepseek-v3").params_total == pytest.approx(671e9, rel=0.01)
    assert arch("deepseek-v3").params_active == pytest.approx(37e9, rel=0.02)


def test_deepseek_cache_is_the_latent_and_every_rank_holds_it():
    """512 latent + 64 rope = 576 elements a layer: 61·576·2 = 70,272 B, the same at TP 8."""
    assert cache_elements("deepseek-v3") * 2 == 70_272
    chips = [shape("h200_sxm", tp=tp) for tp in (1, 8)]
    assert kv_bytes(replicas("deepseek-v3", *chips), 1.0).tolist() == [70_272, 70_272]


def test_gemma_windows_stop_growing():
    """Gemma 3 27B: 10 full layers and 52 with a window of 1,024; 2·16·128 elements each.

    At 8,192 tokens 10·4096·8192 + 52·4096·1024 = 553,648,128 elements: 1.107 GB, not the
    62·4096·8192·2 = 4.16 GB of full layers. From 1,024 tokens on only 10 layers grow.
    """
    r = replicas("gemma-3-27b-it", shape("h200_sxm", "bf16"))
    assert kv_bytes(r, 8192.0).item() == 553_648_128 * 2
    assert kv_bytes(r, 1024.0).item() == 62 * 4096 * 1024 * 2
    assert (kv_bytes(r, 8193.0) - kv_bytes(r, 8192.0)).item() == 10 * 4096 * 2


def test_qwen3_next_holds_a_fixed_state():
    """36 of 48 layers: a state of 32 heads · 128 · 128 + 8192 channels · 4 = 557,056 elements.

    In 32 bits 36·557,056·4 = 80,216,064 B a sequence; 12 full layers grow by 2·2·256 elements,
    24,576 B a token.
    """
    r = replicas("qwen3-next-80b-a3b", shape("h200_sxm", "fp8"))
    assert kv_bytes(r, 0.0).item() == 80_216_064
    assert (kv_bytes(r, 1.0) - kv_bytes(r, 0.0)).item() == 24_576


def test_mixtral_visits_two_of_eight_experts():
    """32 layers of experts of 3·4096·14336 = 176,160,768 parameters; 6 of 8 are not visited."""
    a = arch("mixtral-8x7b-instruct")
    assert a.params_total - a.params_active == 32 * 6 * 176_160_768
    assert a.params_active == pytest.approx(12.9e9, rel=0.01)


@pytest.mark.parametrize("name", shipped_models())
def test_published_parameter_counts(name):
    assert arch(name).params_total == pytest.approx(shipped_models()[name].params_total, rel=0.01)


def test_small_config():
    """Attention 2·64² + 2·64·16 = 10,240; MLP 3·64·128 = 24,576; times 4; ends 2·1000·64;
    norms 2·64·4 + 64: 139,264 + 128,000 + 576 = 267,840."""
    assert read().params_total == 267_840
    assert read(tie_word_embeddings=True).params_total == 267_840 - 64_000


def test_kinds_of_layers():
    kinds = [g.attention.kind for g in read(sliding_window=256, sliding_window_pattern=2).groups]
    assert sorted(kinds) == ["full", "window"]
    assert [g.count for g in read(sliding_window=256).groups] == [4]
    assert read(sliding_window=256, use_sliding_window=False).groups[0].attention.kind == "full"


def test_leading_dense_layers():
    a = read(n_routed_experts=8, num_experts_per_tok=2, first_k_dense_replace=1)
    assert a.moe_layers == 3
    assert a.routing == (8, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": ...},
        {"num_hidden_layers": 0},
        {"num_attention_heads": 0},
        {"num_key_value_heads": 0},
        {"vocab_size": "many"},
        {"max_position_embeddings": "long"},
        {"hidden_size": float("nan")},
        {"is_encoder_decoder": True},
        {"layer_types": ["full_attention"]},
        {"layer_types": ["hyena"] * 4},
        {"num_experts": 8, "num_experts_per_tok": 9},
        {"num_experts": 8, "num_experts_per_tok": 0},
        {"num_experts": 8},
        {"num_experts": 8, "num_experts_per_tok": 2, "mlp_only_layers": 3},
        {"hidden_size": [1, 2]},
        {"hidden_size": 1},
        {"head_dim": 0.5},
        {"num_hidden_layers": 10**8},
    ],
)
def test_unusable_configs_get_one_sentence(changes):
    with pytest.raises(InputError, match=r"^small: .*\.$"):
        read(**changes)


ODD = st.sampled_from([0, -1, 1, 3, 10**8, 1e308, 0.5, "x", [1], [1, 2], {}, {"a": 1}, True, None])


@given(name=st.sampled_from(sorted(shipped_models())), data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_config_with_an_odd_value_is_read_or_refused(name, data):
    config = dict(shipped_models()[name].config)
    key = data.draw(st.sampled_from(sorted(config)))
    odd = source_from_config({**config, key: data.draw(ODD)}, "odd")
    try:
        total = read_architecture(odd).params_total
    except InputError:
        return
    assert total > 0
