"""Requests that the OpenAPI document shows; a test sends each of them."""

from __future__ import annotations

from typing import Any

CHAT: dict[str, Any] = {
    "schema": "minfleet/workload/v1",
    "model": "llama-3.1-8b-instruct",
    "classes": [{"name": "chat", "rate_rps": 20, "isl": 1024, "osl": 256}],
    "sla": {"ttft_ms": 500, "tpot_ms": 40, "percentile": 99},
}

QUOTES: list[dict[str, Any]] = [
    {
        "offer_id": "quote/h100-reserved",
        "provider": "quote",
        "region": "eu",
        "accelerator": "h100_sxm",
        "gpus_per_node": 8,
        "price_per_node_hour_usd": 15.2,
        "pricing": "on_demand",
        "stock": 4,
        "observed_at": "2026-11-01",
        "source": "quote 4711",
    },
    {
        "offer_id": "quote/l40s",
        "provider": "quote",
        "region": "eu",
        "accelerator": "l40s",
        "gpus_per_node": 4,
        "price_per_node_hour_usd": 3.4,
        "pricing": "on_demand",
        "observed_at": "2026-11-01",
        "source": "quote 4711",
    },
]

PLAN_EXAMPLES: dict[str, Any] = {
    "a workload": CHAT,
    "two quotes": {"workload": CHAT, "offers": QUOTES, "settings": {"explain": "none"}},
    "a budget that cannot be met": {
        "workload": {**CHAT, "hardware": {"max_cost_per_hour_usd": 0.3}},
        "settings": {"second_engine": False},
    },
}

ESTIMATE_EXAMPLES: dict[str, Any] = {
    "Llama 3.1 70B on two H100": {
        "model": "llama-3.1-70b-instruct",
        "accelerator": "h100_sxm",
        "tp": 2,
        "weights": "fp8",
        "kv": "fp8",
        "isl": 1024,
        "osl": 256,
    }
}

COMPARISON_EXAMPLES: dict[str, Any] = {
    "two quotes": {"workload": CHAT, "offers": QUOTES},
}

FRONTIER_EXAMPLES: dict[str, Any] = {
    "cost against TPOT": {
        "workload": {**CHAT, "hardware": {"accelerators": ["h100_sxm", "l40s"]}},
        "of": "tpot_ms",
        "points": 4,
        "resolution": 0.2,
    },
}

REGISTRATION_EXAMPLES: dict[str, Any] = {
    "every morning, and when prices change": {
        "workload": CHAT,
        "schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin", "on": "price_change"},
        "policy": {"min_saving_pct": 15},
    },
}

SIMULATION_EXAMPLES: dict[str, Any] = {
    "a stored plan": {"plan_id": "plan-…", "requests": 5000, "router": "least_loaded"}
}
"""The name of a plan differs from store to store; the test puts one in."""

IMPORT_EXAMPLES: dict[str, Any] = {"two quotes": QUOTES}

REFRESH_EXAMPLES: dict[str, Any] = {
    "quotes of a supplier": {
        "feed": "csv",
        "name": "quotes/acme",
        "files": [
            {
                "place": "acme.csv",
                "content": "offer_id,provider,region,accelerator,gpus_per_node,"
                "price_per_node_hour_usd,pricing,stock,observed_at,source\n"
                "acme/eu/8x-h100,acme,eu,h100_sxm,8,18.40,on_demand,4,2026-11-01,quote 4711\n",
            }
        ],
    }
}

MODEL_EXAMPLES: dict[str, Any] = {
    "a small Llama": {
        "name": "ours-1b",
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
        "note": "trained in house",
    }
}

SUBSCRIPTION_EXAMPLES: dict[str, Any] = {
    "a webhook for decisions": {
        "kind": "webhook",
        "target": "https://ops.example.com/minfleet",
        "events": ["decision.switch", "decision.must_switch", "decision.failed"],
        "name": "autoscaler",
    },
    "a Slack channel": {
        "kind": "slack",
        "target": "https://hooks.slack.com/services/T000/B000/XXXX",
        "name": "#fleet",
    },
    "e-mail": {
        "kind": "email",
        "target": "mailtos://minfleet:PASSWORD@smtp.example.com?to=ops@example.com",
        "events": ["catalog.held", "catalog.refused"],
    },
}
