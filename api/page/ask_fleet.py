"""Asks the service for registered workloads, decisions, prices and refreshes, for one open page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import to_thread

from api.feeds.prices import price_history
from api.feeds.refresh import approve, reject
from api.feeds.shown import refresh_document
from api.page.ask import Asker, RefusedError, refused, service
from api.service.problems import ProblemError
from api.service.replanning import request_body
from api.service.service import Wish
from api.store.decisions import NotAcceptableError, StoredDecision, waits
from api.store.keys import Key
from api.store.refreshes import NoRefreshError, NotHeldError
from api.store.registered import REPLANNING, Registered, new_replanning
from api.store.store import Store
from data.errors import MinfleetError
from data.models import reference_name

T = TypeVar("T")

MOST_WORKLOADS = 200

MOST_DECISIONS = 100

MOST_REFRESHES = 30

WAIT_S = 300.0
"""How long a page waits for a decision that somebody asked for."""


async def _asked(call: Callable[[], T]) -> T:
    try:
        return await to_thread.run_sync(call)
    except (ProblemError, MinfleetError) as error:
        raise refused(error) from None


async def workloads(asker: Asker) -> list[dict[str, Any]]:
    """Return registered workloads by name, as `api.page.show.workloads.workload_table` takes them.

    Raises
    ------
    RefusedError
        If they may not be read, or the store does not answer.
    """
    await asker.may("read")
    store = service().store

    def work() -> list[dict[str, Any]]:
        found = store.registered.list(MOST_WORKLOADS)
        return [_entry(w, _last(store, w.name), store.decisions.standing(w.name)) for w in found]

    return await _asked(work)


def _last(store: Store, name: str) -> StoredDecision | None:
    return next(iter(store.decisions.list(1, workload=name)), None)


def _entry(
    found: Registered, last: StoredDecision | None, standing: StoredDecision | None
) -> dict[str, Any]:
    document = {} if standing is None else standing.to_dict()
    runs = "current" if document.get("accepted_at") is None else "proposed"
    cost = (document.get(runs) or {}).get("cost_per_hour_usd")
    return {
        "name": found.name,
        "model": reference_name(found.workload["model"])[:400],
        "schedule": found.schedule or None,
        "paused": found.paused or found.waiting,
        "due_at": None if found.due_at is None else found.due_at.isoformat(),
        "cost_per_hour_usd": cost,
        "outcome": None if last is None else last.outcome,
        "decided_at": None if last is None else last.created_at.isoformat(),
        "proposed": waits(document or None, found.revision),
    }


async def workload(asker: Asker, name: str) -> tuple[Registered | None, list[dict[str, Any]]]:
    """Return a registered workload, and the decisions on it, the latest first.

    Raises
    ------
    RefusedError
        If they may not be read, or the store does not answer.
    """
    await asker.may("read")
    store = service().store

    def work() -> tuple[Registered | None, list[dict[str, Any]]]:
        found = store.decisions.list(MOST_DECISIONS, workload=name[:100])
        return store.registered.get(name[:100]), [_decision(d) for d in found]

    return await _asked(work)


def _decision(found: StoredDecision) -> dict[str, Any]:
    return {
        **found.to_dict(),
        "id": found.id,
        "trigger": found.trigger,
        "created_at": found.created_at.isoformat(),
    }


async def accept(asker: Asker, decision_id: str) -> None:
    """Accept a decision.

    Raises
    ------
    RefusedError
        If the key may not, or it cannot be accepted any more.
    """
    key = await asker.may("plan")
    try:
        await _asked(
            lambda: service().store.decisions.accept(decision_id, None if key is None else key.id)
        )
    except NotAcceptableError as error:
        raise RefusedError(str(error)) from None


async def decide_now(asker: Asker, name: str) -> None:
    """Let a workload be planned now, and wait for the decision.

    Raises
    ------
    RefusedError
        If the key may not, or it came to nothing.
    """
    key = await asker.may("plan")
    store = service().store

    def prepare(content: Any) -> Any:
        found = store.registered.get(name)
        if found is None:
            raise ProblemError("not-found", f"no workload {name!r} is registered.")
        return new_replanning(name, found.revision, "request", None, None)

    try:
        wish = Wish(later=True, fresh=True)
        key_id = None if key is None else key.id
        answer = await service().answer(REPLANNING, request_body(name), prepare, wish, key_id)
        assert answer.job is not None
        job = await service().dispatcher.wait(answer.job.id, WAIT_S)
    except (ProblemError, MinfleetError) as error:
        raise refused(error) from None
    if job is not None and job.state == "failed" and job.problem is not None:
        raise RefusedError(str(job.problem["detail"]))


async def prices(asker: Asker, *, accelerator: str, provider: str, limit: int) -> dict[str, Any]:
    """Return an `api.schemas.refreshes.PriceHistory`; "" for any accelerator or provider.

    Raises
    ------
    RefusedError
        If they may not be read, the accelerator is unknown, or the store does not answer.
    """
    await asker.may("read")
    return await _asked(
        lambda: price_history(
            service().store.catalogs,
            snapshots=100,
            limit=limit,
            accelerator=[accelerator] if accelerator else (),
            provider=[provider] if provider else (),
        )
    )


async def refreshes(asker: Asker) -> list[dict[str, Any]]:
    """Return the latest refreshes of prices, and every one that is held, the latest first.

    Raises
    ------
    RefusedError
        If they may not be read, or the store does not answer.
    """
    await asker.may("read")
    store = service().store.refreshes

    def work() -> list[dict[str, Any]]:
        found = {r.number: r for r in store.list(MOST_REFRESHES, None)}
        found |= {r.number: r for r in store.list(MOST_REFRESHES, None, state="held")}
        return [refresh_document(found[n]) for n in sorted(found, reverse=True)]

    return await _asked(work)


async def decide_on(asker: Asker, refresh_id: str, *, approved: bool) -> dict[str, Any]:
    """Approve or reject a held refresh; return it as it is then.

    Raises
    ------
    RefusedError
        If the key may not, or it is held no more.
    """
    key = await asker.may("admin")
    decide = approve if approved else reject
    try:
        found = await _asked(lambda: decide(service().store, refresh_id, _who(key)))
    except (NoRefreshError, NotHeldError):
        raise RefusedError("Somebody else decided on it meanwhile.") from None
    return refresh_document(found)


def _who(key: Key | None) -> str:
    return "the page" if key is None else f"{key.name} ({key.id})"[:200]
