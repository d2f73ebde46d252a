"""A thin, typed client of ``minfleet serve``.

>>> from minfleet.client import Client
>>> with Client("http://localhost:8080") as client:
...     answer = client.plan("examples/chat-70b.yaml")
>>> answer.status, answer.cost_per_hour_usd

Requests that are refused for want of room (429) or while the store is away (503), and those that
never arrived, are sent again for a while; an Idempotency-Key makes that safe.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_exponential,
)

from api.client_prices import PriceCalls
from api.client_workloads import WorkloadCalls, content_of, given
from api.schemas.base import Document
from api.schemas.catalog import (
    AcceleratorList,
    CatalogHistory,
    ImportReport,
    ModelList,
    OfferHistory,
    OfferList,
)
from api.schemas.comparison import ComparisonDocument
from api.schemas.difference import DifferenceDocument
from api.schemas.estimate import EstimateDocument
from api.schemas.explanation import ExplanationDocument
from api.schemas.frontier import FrontierDocument
from api.schemas.jobs import JobDocument
from api.schemas.plan import PlanDocument
from api.schemas.plan_list import PlanList
from api.schemas.simulation import SimulationDocument
from data.errors import InputError, RequestRefusedError, ServerError, ServerProblem
from solver.workload import Workload

D = TypeVar("D", bound=Document)

WAIT_S = 20
"""How long one request waits for a plan before it follows the job instead: proxies cut longer."""

RETRY_S = 60.0
"""How long a busy server is tried again."""

UNREACHABLE_S = 3.0
"""How long one that does not answer is: enough for one that is being restarted by hand."""

BUSY = (429, 503)


class Client(PriceCalls, WorkloadCalls):
    """A connection to a server.

    Parameters
    ----------
    url
        Where it is, such as ``http://localhost:8080``.
    api_key
        As ``minfleet keys create`` printed it; None where the server asks for none.
    timeout_s
        How long one exchange may take.
    retry_s
        How long a busy server is tried again.
    transport
        Other than the network, for tests.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retry_s: float = RETRY_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self._retry_s = url, retry_s
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        try:
            self._http = httpx.Client(
                base_url=url, headers=headers, timeout=timeout_s, transport=transport
            )
        except (httpx.InvalidURL, ValueError):
            raise InputError(f"{url!r} is not a URL; write http://HOST:PORT.") from None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def plan(
        self,
        workload: Workload | Mapping[str, Any] | str | Path,
        *,
        progress: Callable[[JobDocument], None] = lambda job: None,
        fresh: bool = False,
        **more: Any,
    ) -> PlanDocument:
        """Return the cheapest fleet for a workload.

        Parameters
        ----------
        workload
            A workload, its content, or its file.
        progress
            Called with the job while the plan is made.
        fresh
            Whether a plan that the server has stored for the same request is not wanted.
        more
            What a `PlanRequest` has besides: `offers`, `add_offers`, `accelerators`, `measured`,
            `coefficients` (lists of rows), `catalog_id`, `settings`.

        Raises
        ------
        InputError
            If something in the request is wrong.
        ServerError
            If the server cannot be reached, refuses, or comes to nothing.
        """
        body = {"workload": content_of(workload), **given(more)}
        return self._make("/v1/plans", body, PlanDocument, progress, fresh=fresh)

    def compare(
        self,
        workload: Workload | Mapping[str, Any] | str | Path,
        offers: Sequence[Mapping[str, Any]],
        *,
        progress: Callable[[JobDocument], None] = lambda job: None,
        fresh: bool = False,
        **more: Any,
    ) -> ComparisonDocument:
        """Return offers side by side; raises as `plan`.

        Parameters
        ----------
        workload
            As for `plan`.
        offers
            Rows to compare, in the columns of an offers file.
        more
            What a `ComparisonRequest` has besides.
        """
        from solver.comparison.content import content_to_compare

        content = content_of(workload)
        if isinstance(workload, (str, Path)):
            workload = Workload.load(workload)
        if isinstance(workload, Workload):
            content = content_to_compare(workload, content)
        body = {"workload": content, "offers": list(offers), **given(more)}
        return self._make("/v1/comparisons", body, ComparisonDocument, progress, fresh=fresh)

    def frontier(
        self,
        workload: Workload | Mapping[str, Any] | str | Path,
        *,
        of: str = "tpot_ms",
        progress: Callable[[JobDocument], None] = lambda job: None,
        fresh: bool = False,
        **more: Any,
    ) -> FrontierDocument:
        """Return the least cost for each level of a target or limit; raises as `plan`.

        Parameters
        ----------
        workload
            As for `plan`.
        of
            What the cost is set against, as of a `FrontierRequest`.
        more
            What a `FrontierRequest` has besides.
        """
        body = {"workload": content_of(workload), "of": of, **given(more)}
        return self._make("/v1/frontiers", body, FrontierDocument, progress, fresh=fresh)

    def simulate(
        self,
        *,
        progress: Callable[[JobDocument], None] = lambda job: None,
        fresh: bool = False,
        **request: Any,
    ) -> SimulationDocument:
        """Return a plan under load; `request` is a `SimulationRequest`. Raises as `plan`."""
        return self._make("/v1/simulations", request, SimulationDocument, progress, fresh=fresh)

    def estimate(self, model: str | Mapping[str, Any], accelerator: str, **more: Any) -> Any:
        """Return what one replica does, an `EstimateDocument`; raises as `plan`.

        Parameters
        ----------
        more
            What an `EstimateRequest` has besides.
        """
        body = {"model": model, "accelerator": accelerator, **more}
        return self._get_json("POST", "/v1/estimates", EstimateDocument, json=body)

    def submit(self, workload: Workload | Mapping[str, Any], **more: Any) -> JobDocument:
        """Ask for a plan and return the job at once; `follow` it. Raises as `plan`."""
        body = {"workload": content_of(workload), **given(more)}
        headers = {"Prefer": "respond-async", "Idempotency-Key": uuid.uuid4().hex}
        return self._get_json("POST", "/v1/plans", JobDocument, json=body, headers=headers)

    def follow(self, job_id: str) -> Iterator[JobDocument]:
        """Yield a job whenever it changed, its end last; raises as `plan`."""
        while True:
            try:
                with self._http.stream("GET", f"/v1/jobs/{job_id}/events", timeout=None) as events:
                    if events.status_code != 200:
                        events.read()
                        _check(events)
                    for line in events.iter_lines():
                        if line.startswith("data: "):
                            job = JobDocument.model_validate(json.loads(line[6:]))
                            yield job
                            if _ended(job):
                                return
            except httpx.TransportError:
                pass  # the job goes on, and below it is seen whether the server does
            job = self.job(job_id)
            if _ended(job):
                yield job
                return

    def job(self, job_id: str) -> JobDocument:
        """Return a job; raises as `plan`."""
        return self._get_json("GET", f"/v1/jobs/{job_id}", JobDocument)

    def cancel(self, job_id: str) -> JobDocument:
        """Cancel a job and return it; raises as `plan`."""
        return self._get_json("POST", f"/v1/jobs/{job_id}/cancel", JobDocument)

    def plans(self, **query: Any) -> PlanList:
        """Return stored plans, the latest first; raises as `plan`."""
        return self._get_json("GET", "/v1/plans", PlanList, params=query)

    def read_plan(self, plan_id: str) -> PlanDocument:
        """Return a stored plan; raises as `plan`."""
        return self._get_json("GET", f"/v1/plans/{plan_id}", PlanDocument)

    def explanation(self, plan_id: str) -> ExplanationDocument:
        """Return why a plan is what it is; raises as `plan`."""
        return self._get_json("GET", f"/v1/plans/{plan_id}/explanation", ExplanationDocument)

    def difference(self, plan_id: str, other_id: str) -> DifferenceDocument:
        """Return where another plan differs from a plan; raises as `plan`."""
        path = f"/v1/plans/{plan_id}/difference/{other_id}"
        return self._get_json("GET", path, DifferenceDocument)

    def offers(self, **query: Any) -> OfferList:
        """Return what can be rented; raises as `plan`."""
        return self._get_json("GET", "/v1/catalog/offers", OfferList, params=query)

    def accelerators(self, **query: Any) -> AcceleratorList:
        """Return the accelerators; raises as `plan`."""
        return self._get_json("GET", "/v1/catalog/accelerators", AcceleratorList, params=query)

    def models(self) -> ModelList:
        """Return the models; raises as `plan`."""
        return self._get_json("GET", "/v1/catalog/models", ModelList)

    def catalog_history(self, **query: Any) -> CatalogHistory:
        """Return what was in force; raises as `plan`."""
        return self._get_json("GET", "/v1/catalog/history", CatalogHistory, params=query)

    def offer_history(self, offer_id: str) -> OfferHistory:
        """Return how an offer changed; raises as `plan`."""
        query = {"offer_id": offer_id}
        return self._get_json("GET", "/v1/catalog/offers/history", OfferHistory, params=query)

    def import_offers(self, rows: list[Mapping[str, Any]], **query: Any) -> ImportReport:
        """Bring a new snapshot with these offers in force; raises as `plan`."""
        path = "/v1/catalog/offers"
        return self._get_json("POST", path, ImportReport, json=rows, params=query)

    def import_model(self, name: str, config: Mapping[str, Any], note: str = "") -> ImportReport:
        """Let workloads name a model of your own; raises as `plan`."""
        body = {"name": name, "config": config, "note": note}
        return self._get_json("POST", "/v1/catalog/models", ImportReport, json=body)

    def _make(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        kind: type[D],
        progress: Callable[[JobDocument], None],
        *,
        fresh: bool,
    ) -> D:
        headers = {"Prefer": f"wait={WAIT_S}", "Idempotency-Key": uuid.uuid4().hex}
        if fresh:
            headers["Cache-Control"] = "no-cache"
        answer = self._send("POST", path, json=body, headers=headers)
        if answer.status_code == 200:
            return kind.model_validate(answer.json())
        job = JobDocument.model_validate(answer.json())
        for change in self.follow(job.id):
            progress(change)
            job = change
        if job.problem is not None:
            raise _error(job.problem)
        if job.result_url is None:
            raise ServerError(f"{job.id} was cancelled.")
        return self._get_json("GET", job.result_url, kind)

    def _get_json(self, method: str, path: str, kind: type[D], **request: Any) -> D:
        return kind.model_validate(self._send(method, path, **request).json())

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request, again while the server is busy or cannot be reached."""
        again = Retrying(
            retry=retry_if_exception(_may_help),
            stop=self._waited_enough,
            wait=_pause,
            reraise=True,
        )
        repeatable = method == "GET" or "Idempotency-Key" in request.get("headers", {})

        def once() -> httpx.Response:
            answer = self._http.request(method, path, **request)
            _check(answer)
            return answer

        try:
            return again(once) if repeatable else once()
        except httpx.UnsupportedProtocol:
            raise InputError(f"{self.url!r} is not a URL; write http://HOST:PORT.") from None
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            raise ServerError(f"{self.url}: cannot be reached ({why}).") from None

    def _waited_enough(self, state: RetryCallState) -> bool:
        """Whether to give up: soon where nobody answers, later where a server is busy."""
        answered = isinstance(state.outcome and state.outcome.exception(), ServerProblem)
        patience_s = self._retry_s if answered else min(self._retry_s, UNREACHABLE_S)
        return (state.seconds_since_start or 0.0) >= patience_s


_backed_off = wait_exponential(multiplier=0.2, max=5.0)


def _pause(state: RetryCallState) -> float:
    """Wait as long as the server asks, or longer each time."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after_s", None)
    return float(asked) if asked is not None else _backed_off(state)


def _may_help(error: BaseException) -> bool:
    if isinstance(error, ServerProblem):
        return error.status in BUSY
    return isinstance(error, httpx.TransportError) and not isinstance(
        error, httpx.UnsupportedProtocol
    )


def _check(answer: httpx.Response) -> None:
    """Raise what an answer that is an error says."""
    if answer.is_success:
        return
    try:
        document = answer.json()
        status, detail = int(document["status"]), str(document["detail"])
    except (ValueError, KeyError, TypeError):
        raise ServerError(
            f"{answer.request.url}: answered {answer.status_code} without saying why; is it a "
            "minfleet server?"
        ) from None
    given = answer.headers.get("retry-after", "")
    raise _error(
        {**document, "status": status, "detail": detail}, float(given) if given.isdigit() else None
    )


def _error(document: Mapping[str, Any], retry_after_s: float | None = None) -> ServerProblem:
    refused = document["status"] in (400, 413, 422)
    kind = RequestRefusedError if refused else ServerProblem
    return kind(document, retry_after_s)


def _ended(job: JobDocument) -> bool:
    return job.state in ("done", "failed", "cancelled")
