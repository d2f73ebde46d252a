"""Model architectures: published sizes, local configs, and names that nothing carries."""

from __future__ import annotations

import json
import sys
import types

import pytest

from data.errors import InputError, UnknownNameError
from data.models import (
    find_model,
    native_precision,
    parse_config,
    reference_name,
    shipped_models,
)
from model.read_config import read_architecture

MODELS = shipped_models()


def test_what_ships():
    assert len(MODELS) >= 20
    wanted = {
        "llama-3.1-8b-instruct",
        "llama-3.1-70b-instruct",
        "llama-3.1-405b-instruct",
        "llama-2-7b",
        "llama-2-70b",
        "qwen3-8b",
        "qwen3-32b",
        "qwen3-30b-a3b",
        "qwen3-235b-a22b",
        "mistral-7b-instruct-v0.3",
        "mixtral-8x7b-instruct",
        "mixtral-8x22b-instruct",
        "gemma-3-27b-it",
        "gpt-oss-20b",
        "gpt-oss-120b",
        "deepseek-v3",
        "deepseek-r1",
        "kimi-k2",
        "qwen3-next-80b-a3b",
        "phi-4",
        "gpt-3-175b",
    }
    assert wanted <= set(MODELS)
    assert any(name.startswith("opt-") for name in MODELS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_shapes_give_the_published_parameters(name):
    source = MODELS[name]
    found = read_architecture(source)
    assert source.params_total is not None
    assert found.params_total == pytest.approx(source.params_total, rel=0.01)
    assert source.source
    assert source.native_precision in ("bf16", "fp8", "fp4", "int4")
    assert source.max_context
    assert found.max_context in (None, source.max_context)


def test_names_ids_and_letter_case():
    assert find_model("llama-3.1-70b-instruct").name == "llama-3.1-70b-instruct"
    assert find_model("meta-llama/Llama-3.1-70B-Instruct").name == "llama-3.1-70b-instruct"
    assert find_model("META-LLAMA/llama-3.1-70b-instruct").name == "llama-3.1-70b-instruct"
    assert find_model("Llama-3.1-70B-Instruct").name == "llama-3.1-70b-instruct"


def test_an_unknown_model_suggests_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        find_model("llama-3.1-70b-instrct", place="classes[0].model")
    message = str(caught.value)
    assert message.startswith("classes[0].model: unknown model 'llama-3.1-70b-instrct'; did you")
    assert "'llama-3.1-70b-instruct'" in message
    assert "minfleet catalog list models" in message


def test_a_local_config(tmp_path):
    config = dict(MODELS["llama-3.1-8b-instruct"].config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    for reference in ("config.json", "."):
        source = find_model({"config": reference}, folder=tmp_path)
        assert source.params_total is None
        assert read_architecture(source).params_total == pytest.approx(8_030_261_248, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"hidden_size": 4096', "line 1: not valid JSON"),
        ("[1]", "must be a mapping"),
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"hidden_size": ' + "9" * 5000 + "}", "not valid JSON"),
        ("{}", "hidden_size"),
        ('{"quantization_config": "fp8"}', "hidden_size"),
    ],
)
def test_a_damaged_config_is_one_sentence(tmp_path, text, part):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=part):
        read_architecture(find_model({"config": "config.json"}, folder=tmp_path))


@pytest.mark.parametrize("reference", [{}, {"config": 3}, {"path": "x"}, {"config": "x", "y": 1}])
def test_a_reference_must_name_a_config(reference):
    with pytest.raises(InputError, match=r"\{config: path/to/config\.json\}"):
        find_model(reference)


def test_a_missing_config(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        find_model({"config": "absent.json"}, folder=tmp_path)


def test_a_hub_id_without_the_hub_library_is_one_clear_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError) as caught:
        find_model("acme/Chat-9B")
    message = str(caught.value)
    assert message == (
        "model: 'acme/Chat-9B' is not in the catalogue and huggingface_hub is not installed; "
        "install minfleet[hub], or give {config: ./config.json} with a copy of the model's "
        "config instead."
    )


def test_a_hub_id_with_the_hub_library(monkeypatch, tmp_path):
    config = dict(MODELS["qwen3-8b"].config)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    asked = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        return str(path)

    hub = types.SimpleNamespace(hf_hub_download=download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert find_model("acme/Chat-9B").name == "acme/Chat-9B"
    assert asked == [("acme/Chat-9B", "config.json")]  # and no code of the repository


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def download(repository: str, file: str) -> str:
        raise ConnectionError("no route")

    hub = types.SimpleNamespace(hf_hub_download=download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(InputError, match=r"cannot be fetched .* \(ConnectionError\); give"):
        find_model("acme/Chat-9B")


@pytest.mark.parametrize(
    ("method", "precision"), [("fp8", "fp8"), ("mxfp4", "fp4"), ("gptq", "int4"), ("odd", "bf16")]
)
def test_the_precision_a_checkpoint_was_published_in(method, precision):
    assert native_precision({"quantization_config": {"quant_method": method}}) == precision
    assert native_precision({}) == "bf16"
    assert native_precision(parse_config('{"quantization_config": null}', "f")) == "bf16"


def config(**changes):
    return {**shipped_models()["llama-3.1-8b-instruct"].config, **changes}


def test_a_whole_config_can_stand_in_the_place_of_its_path():
    found = find_model({"config": config(), "name": "ours"})
    assert found.name == "ours"
    assert found.config["num_hidden_layers"] == 32


def test_a_config_without_a_name_is_called_by_what_it_holds():
    one, other = ({"config": config(num_hidden_layers=n)} for n in (32, 16))
    assert reference_name(one) == reference_name({"config": config()})
    assert reference_name(one) != reference_name(other)
    assert find_model(one).name == reference_name(one)


@pytest.mark.parametrize("wrong", [{"config": []}, {"config": {}, "name": 3}, {"name": "ours"}])
def test_what_is_no_reference_is_refused(wrong):
    with pytest.raises(InputError, match="give a name"):
        find_model(wrong)
