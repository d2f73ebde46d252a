"""Names that benchmarks give models."""

import pytest

from data.model_names import fold, resolve_model
from data.models import shipped_models


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("meta-llama/Llama-3.1-70B", "llama-3.1-70b-instruct"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b-instruct"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3-8b-instruct"),
        ("Llama-2-70b-chat-hf", "llama-2-70b"),
        ("LLaMA 7B", "llama-2-7b"),
        ("mistralai/Mistral-7B-v0.1", "mistral-7b-instruct-v0.3"),
        ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b"),
        ("Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"),
        ("DeepSeek-R1-0528", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "deepseek-r1-distill-llama-70b"),
        ("gpt_oss 120b", "gpt-oss-120b"),
    ],
)
def test_what_is_meant(written, meant):
    assert resolve_model(written).name == meant


@pytest.mark.parametrize("unknown", ["", "Deci/DeciLM-7B", "llama", "gpt-oss-1200b"])
def test_no_guesses(unknown):
    assert resolve_model(unknown) is None


def test_folding_tells_the_models_of_the_catalogue_apart():
    folded = [fold(name) for name in shipped_models()]
    assert len(set(folded)) == len(folded)
    assert all(resolve_model(name).name == name for name in shipped_models())
