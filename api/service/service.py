"""The parts of a running service, and how a request for something to be solved is answered."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import hashlib
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import structlog
from anyio import to_thread

from api.notices.deliverer import Deliverer, sender_of
from api.service.access import Access
from api.service.askers import Askers
from api.service.bodies import parse_body
from api.service.dispatcher import Dispatcher
from api.service.intake import Intake
from api.service.metrics import Metrics
from api.service.problems import TASK_PROBLEMS, ProblemError
from api.service.scheduler import Scheduler
from api.service.settings import Settings
from api.service.workers import TaskError, WorkerDiedError, Workers
from api.store.idempotency import IdempotencyError, IdempotencyUse
from api.store.jobs import Job, NewJob, QueueFullError
from api.store.records import digest_of
from api.store.registered import REPLANNING
from api.store.store import Store
from data.errors import StoreError

log = structlog.get_logger("minfleet.service")

MAX_QUICK_WAITING = 50
"""Estimates that may wait for the process that makes them."""

WARM_AGAIN_S = 5.0
"""Pause before workers that could not be started are tried again."""


@dataclass(frozen=True)
class Wish:
    """How a request wants to be answered.

    Attributes
    ----------
    later
        Whether the job is enough (``Prefer: respond-async``).
    wait_s
        How long it waits for the result.
    fresh
        Whether a stored answer is not wanted (``Cache-Control: no-cache``).
    idempotency_key
        Name under which the same request is done once; None for none.
    query
        The query string as it was sent.
    """

    later: bool = False
    wait_s: float = math.inf
    fresh: bool = False
    idempotency_key: str | None = None
    query: str = ""


@dataclass(frozen=True)
class Answer:
    """A stored result, or the job that will make it.

    Attributes
    ----------
    document
        JSON text of the result; None while there is only the job.
    reused
        Whether it was there before the request.
    """

    result_id: str | None
    document: str | None
    job: Job | None
    reused: bool


class Service:
    """A store, workers, and what connects them.

    Parameters
    ----------
    settings
        See `Settings`.
    kinds
        Kinds of jobs that are worked off; None for all.

    Raises
    ------
    InputError
        If the store's URL is wrong.
    """

    def __init__(self, settings: Settings, kinds: Collection[str] | None = None) -> None:
        self.settings, self._kinds = settings, kinds
        self.store = Store(settings.store_url)
        self.metrics = Metrics()
        self.intake = Intake(self.store, settings)
        self.access = Access(self.store.keys, needed=settings.asks_for_keys)
        self.sender = sender_of(settings)
        self.workers: Workers
        self.dispatcher: Dispatcher
        self.deliverer: Deliverer
        self.scheduler: Scheduler
        self.stopping = False
        self.trouble: str | None = None
        self._prepared = False
        self._askers = Askers()

    @property
    def name(self) -> str:
        """The store that it works on, without its password."""
        return self.store.database.name

    def begin_stop(self) -> None:
        """Accept nothing more, and let streams end; called from a signal handler."""
        self.stopping = True
        if hasattr(self, "deliverer"):
            self.dispatcher.begin_drain()
            self.deliverer.begin_drain()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the context lasts; then finish what can be, and put the rest back."""
        await to_thread.run_sync(self.prepare_store)
        gc.freeze()  # what lasts as long as the server is not looked through again and again
        memory_bytes = self.settings.worker_memory_mb * 2**20
        self.workers = Workers(self.settings.workers, memory_bytes)
        self.metrics.watch_workers(self.workers.count, lambda: self.workers.busy)
        self.dispatcher = Dispatcher(
            self.store, self.workers, self.settings, self.metrics, self._kinds
        )
        self.scheduler = Scheduler(self.store, self.settings, self.metrics, self.dispatcher.notify)
        self.deliverer = Deliverer(
            self.store, self.settings, self.metrics, self.dispatcher.id, self.sender
        )
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self.workers.watch_memory)
                group.start_soon(self._warm_up)
                group.start_soon(self.dispatcher.run)
                group.start_soon(self.deliverer.run)
                group.start_soon(self.scheduler.run, lambda: self.stopping)
                yield
                self.begin_stop()
                await self.deliverer.drain()
                await self.dispatcher.drain()
                await self._leave()
                group.cancel_scope.cancel()
        finally:
            self.workers.close()
            self.store.close()

    async def _leave(self) -> None:
        """Be no server any more; the dispatcher may have left before the last message was sent."""
        with contextlib.suppress(StoreError):  # others will take it for dead, then
            await to_thread.run_sync(self.store.queue(self.dispatcher.id).leave)

    def prepare_store(self) -> None:
        """Take the store, bring its schema up to date, and put back what a dead server ran.

        Raises
        ------
        InputError
            If another server has the store, or it cannot be written.
        StoreError
            If the store cannot be used.
        """
        if self._prepared:
            return
        database = self.store.database
        database.hold_alone()
        self.store.migrate()
        self.store.catalogs.adopt_shipped()
        if database.is_sqlite:  # nobody else can be at work on it
            queue = self.store.queue("")
            jobs = queue.take_over(None, why="the server stopped before it was done")
            if jobs:
                log.warning("jobs of a server that ended wait again", jobs=jobs)
        self._prepared = True

    async def _warm_up(self) -> None:
        while not self.workers.warm:
            try:
                await self.workers.warm_up()
                self.trouble = None
            except* Exception as error:
                why = str(first_of(error)).rstrip(".")
                limit = self.settings.worker_memory_mb
                hint = f" (MINFLEET_WORKER_MEMORY_MB is {limit})" if limit else ""
                self.trouble = f"workers cannot be started: {why}{hint}"
                log.error("workers cannot be started", error=why)
                await anyio.sleep(WARM_AGAIN_S)

    async def answer(
        self,
        kind: str,
        body: bytes,
        prepare: Callable[[Any], NewJob],
        wish: Wish,
        key_id: str | None,
    ) -> Answer:
        """Answer a request for something to be solved: from the store, or by a job.

        Parameters
        ----------
        kind
            ``plan``, ``simulation``, ``comparison``, ``frontier`` or ``replanning``.
        prepare
            Turns the parsed body into a job.

        Raises
        ------
        ProblemError, MinfleetError
            If the request is wrong, the queue is full, or the job came to nothing.
        """
        if self.stopping:
            raise ProblemError("unavailable", "the server is stopping.", {"Retry-After": "5"})
        found = await to_thread.run_sync(self._accept, kind, body, prepare, wish, key_id)
        if found.job is not None and not found.job.finished:
            self._askers.add(found.job.id)
        if found.document is not None or found.job is None:
            self.metrics.answered.labels("store").inc()
            return found
        if not found.reused:
            self.metrics.answered.labels("solved").inc()
            self.dispatcher.notify()
        if wish.later:
            return found
        wait_s = min(wish.wait_s, self.settings.wait_s)
        job = await self.dispatcher.wait(found.job.id, wait_s, new=not found.reused)
        assert job is not None
        if not job.finished:
            return Answer(None, None, job, found.reused)
        return await to_thread.run_sync(self._answer_of, kind, job, found.reused)

    async def withdraw(self, job_id: str) -> None:
        """Cancel a job that its asker wants no more, unless others asked this server for it, too.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        if self._askers.leave(job_id):
            await self.dispatcher.cancel(job_id)

    def _accept(
        self,
        kind: str,
        body: bytes,
        prepare: Callable[[Any], NewJob],
        wish: Wish,
        key_id: str | None,
    ) -> Answer:
        """Find a stored answer, or store a job."""
        use = None
        if wish.idempotency_key is not None:
            # Of the request as sent: the catalogue in force may change between two tries.
            fingerprint = digest_of([kind, wish.query, hashlib.sha256(body).hexdigest()])
            use = IdempotencyUse(key_id or "", wish.idempotency_key, fingerprint)
        try:
            if use is not None:
                job_id, result_id = self.store.jobs.used(use)
                if result_id is not None:
                    return Answer(result_id, self._document(kind, result_id), None, True)
                if job_id is not None:
                    job = self.store.jobs.get(job_id)
                    assert job is not None
                    return Answer(None, None, job, True)
            new = prepare(parse_body(body))
            new = NewJob(new.kind, new.digest, new.task, wish.fresh, key_id)
            stored = None if wish.fresh else self.store.plans.answer_to(kind, new.digest)
            if stored is not None:
                result_id, document = stored
                if wish.later:
                    job = self.store.jobs.record_done(new, result_id, use)
                    return Answer(result_id, None, job, True)
                if use is not None:
                    self.store.jobs.use_for_result(use, result_id)
                return Answer(result_id, document, None, True)
            job = self.store.jobs.submit(new, self.settings.queue_limit, use)
        except QueueFullError as error:
            pause = self.dispatcher.pause_s(int(error.args[0]))
            raise ProblemError(
                "queue-full",
                f"{error.args[0]} jobs wait; try again in {pause} s.",
                {"Retry-After": str(pause)},
            ) from None
        except IdempotencyError:
            raise ProblemError(
                "idempotency-reused",
                "the Idempotency-Key was used for another request; give each its own.",
            ) from None
        return Answer(None, None, job, job.finished)

    def _answer_of(self, kind: str, job: Job, reused: bool) -> Answer:
        """Return the result of a job that ended."""
        if job.state == "done":
            assert job.result_id is not None
            return Answer(job.result_id, self._document(kind, job.result_id), job, reused)
        if job.state == "cancelled":
            raise ProblemError("conflict", f"{job.id} was cancelled.", instance=job_url(job.id))
        assert job.problem is not None
        raise StoredProblemError(job)

    def _document(self, kind: str, result_id: str) -> str | None:
        if kind == REPLANNING:
            found = self.store.decisions.get(result_id)
            return None if found is None else json.dumps(found.to_dict())
        return self.store.plans.result(kind, result_id)

    async def quick(self, kind: str, task: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a task of milliseconds.

        Raises
        ------
        ProblemError
            If it came to nothing, or too many wait.
        """
        if self.workers.quick_waiting >= MAX_QUICK_WAITING:
            raise ProblemError("queue-full", "too many estimates wait.", {"Retry-After": "1"})
        task = await to_thread.run_sync(self.dispatcher.with_catalog, task)
        try:
            with anyio.fail_after(self.settings.job_time_limit_s):
                return (await self.workers.run_quick(kind, task)).document
        except TaskError as error:
            if error.kind == "internal":
                log.error("fault", message=error.message, traceback=error.traceback)
            raise ProblemError(TASK_PROBLEMS[error.kind], error.message) from None
        except WorkerDiedError as error:
            raise ProblemError("worker-died", f"{error}; try again.") from None
        except TimeoutError:
            raise ProblemError("time-limit", "the task took too long.") from None


class StoredProblemError(ProblemError):
    """The problem that a job ended with."""

    def __init__(self, job: Job) -> None:
        assert job.problem is not None
        Exception.__init__(self, job.problem["detail"])
        self.document = {**job.problem, "instance": job_url(job.id)}
        self.headers = {}


def first_of(error: BaseException) -> BaseException:
    """Return the first exception within a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def job_url(job_id: str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{job_id}"


def result_url(kind: str, result_id: str) -> str:
    """Return the path of what a job of a kind made."""
    return f"/v1/{'decision' if kind == REPLANNING else kind}s/{result_id}"


def wish_of(headers: Mapping[str, str], query: str) -> Wish:
    """Return how a request wants to be answered, from its headers (RFC 7240 for ``Prefer``).

    Raises
    ------
    ProblemError
        If the Idempotency-Key cannot be one.
    """
    prefer = headers.get("prefer", "").lower()
    waits = re.search(r"(?:^|[,;\s])wait=\"?(\d{1,6})\"?", prefer)
    name = headers.get("idempotency-key")
    if name is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", name):
        raise ProblemError(
            "invalid", "Idempotency-Key: must be 1 to 255 printable characters without spaces."
        )
    return Wish(
        later=bool(re.search(r"(?:^|[,;\s])respond-async(?:$|[,;\s])", prefer)) and not waits,
        wait_s=float(waits[1]) if waits else math.inf,
        fresh="no-cache" in headers.get("cache-control", "").lower(),
        idempotency_key=name,
        query=query,
    )


def job_document(job: Job, progress: Mapping[str, Any] | None, ahead: int | None) -> dict[str, Any]:
    """Return a job as `api.schemas.jobs.JobDocument`.

    Parameters
    ----------
    ahead
        How many jobs wait before it; None unless it is queued.
    """
    shown = ("id", "kind", "state", "attempts", "cancel_requested", "result_id")
    times = ("created_at", "started_at", "finished_at")
    return {
        **{name: getattr(job, name) for name in shown},
        "queue_position": ahead,
        "progress": None if job.finished else progress,
        "result_url": None if job.result_id is None else result_url(job.kind, job.result_id),
        "problem": job.problem,
        **{name: _iso(getattr(job, name)) for name in times},
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
