"""A short story of prices and one workload, told to a server over REST: for views and pictures."""

from __future__ import annotations

from typing import Any

import httpx

WORKLOAD: dict[str, Any] = {
    "model": "llama-3.1-8b-instruct",
    "classes": [{"name": "chat", "rate_rps": 400, "isl": 1024, "osl": 256}],
    "hardware": {"accelerators": ["h100_sxm"], "providers": ["acme"]},
    "serving": {"disaggregation": "off"},
}

HEADER = (
    "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,"
    "observed_at,source\n"
)

NAME = "support-chat"


def quotes(eu: float, us: float) -> dict[str, Any]:
    """Return a refresh with the prices of a supplier, USD a node-hour."""
    rows = [
        f"acme/{region}/h100,acme,{region},h100_sxm,1,{price},on_demand,2026-11-20,quote"
        for region, price in (("eu", eu), ("us", us))
    ]
    rows += [f"acme/eu/l4-{n},acme,eu,l4,1,0.8,on_demand,2026-11-20,quote" for n in range(3)]
    files = [{"content": HEADER + "\n".join(rows) + "\n", "place": "acme.csv"}]
    return {"feed": "csv", "name": "acme", "files": files}


def tell(client: httpx.Client) -> dict[str, str]:
    """Register a workload, move prices until it should switch, and leave a refresh held.

    Returns
    -------
    dict
        Ids of the `held` refresh and of the `decision` that waits to be accepted.
    """

    def ok(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    def decide() -> Any:
        return ok(client.post(f"/v1/workloads/{NAME}/replanning"))

    def refresh(eu: float, us: float) -> Any:
        return ok(client.post("/v1/catalog/refreshes", json=quotes(eu, us)))

    refresh(2.0, 2.2)
    settings = {"explain": "none", "second_engine": False}
    plan = ok(client.post("/v1/plans", json={"workload": WORKLOAD, "settings": settings}))
    body = {
        "workload": WORKLOAD,
        "plan_id": plan["id"],
        "schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin", "on": "price_change"},
        "policy": {"min_plan_age_h": 0, "min_disruption_score": 0.3},
        "paused": True,  # decided when asked, not whenever the server gets to it
    }
    ok(client.put(f"/v1/workloads/{NAME}", json=body))
    decide()
    refresh(2.1, 1.9)
    decide()
    refresh(2.3, 1.4)
    last = decide()
    held = refresh(2.3, 0.2)
    assert (last["outcome"], held["state"]) == ("switch", "held"), (last["reasons"], held)
    return {"held": held["id"], "decision": last["id"]}
