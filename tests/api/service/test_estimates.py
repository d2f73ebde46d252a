"""Estimates over HTTP: one replica of each role, answered while the client waits."""

from __future__ import annotations

import pytest
from service_kit import at_once, checked, problem

REPLICA = {
    "model": "llama-3.1-70b-instruct",
    "accelerator": "h100_sxm",
    "tp": 2,
    "weights": "fp8",
    "kv": "fp8",
}

OURS = {
    "name": "ours",
    "config": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
}


@pytest.mark.parametrize("role", ["aggregated", "prefill", "decode"])
def test_each_role(client, role):
    request = {**REPLICA, "role": role, "network_gbps": 400}
    answer = client.post("/v1/estimates", json=request)
    assert answer.status_code == 200, answer.text
    assert answer.json()["schema"] == "minfleet/estimate/v1"
    assert client.post("/v1/estimates", json=request).json() == answer.json()


def test_a_model_of_the_request(client):
    request = {"model": OURS, "accelerator": "l40s"}
    assert client.post("/v1/estimates", json=request).status_code == 200


def test_the_same_as_on_the_command_line(client):
    from data.catalog import Catalog
    from solver.estimate import Request, estimate_replica

    accelerators = Catalog.load().accelerators
    expected = estimate_replica(Request(**REPLICA), accelerators).to_dict()
    assert client.post("/v1/estimates", json=REPLICA).json() == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "llama-9"}, "llama-9"),
        ({"model": {"config": "/etc/passwd"}}, "reads no files"),
        ({"accelerator": "h1000"}, "h1000"),
        ({"tp": 0}, "tp"),
        ({"tp": "2"}, "tp"),
        ({"isl": 0.5}, "isl"),
        ({"weigths": "fp8"}, "weights"),
        ({"role": "both"}, "role"),
        ({"network_gbps": "inf"}, "network_gbps"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(client, change, named):
    answer = client.post("/v1/estimates", json={**REPLICA, **change})
    assert named in problem(answer, "invalid")


def test_more_tokens_than_the_server_takes(client):
    answer = client.post("/v1/estimates", json={**REPLICA, "isl": 5e6})
    assert "isl" in problem(answer, "too-complex")


def test_a_replica_that_does_not_fit_is_an_answer_or_a_sentence(client):
    answer = client.post("/v1/estimates", json={**REPLICA, "accelerator": "t4", "tp": 1})
    if answer.status_code != 200:
        problem(answer, "invalid")


def test_many_at_once(shared):
    def ask(tp: int) -> int:
        with checked(shared) as own:
            return own.post("/v1/estimates", json={**REPLICA, "tp": tp}).status_code

    assert set(at_once([lambda n=n: ask(2 ** (n % 4)) for n in range(20)])) == {200}
