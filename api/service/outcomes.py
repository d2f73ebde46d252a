"""How jobs end: results, refusals, stops and dead workers, each stored with its job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection

from api.service.metrics import Metrics
from api.service.problems import TASK_PROBLEMS, problem
from api.service.replanning import decided, failed
from api.service.settings import Settings
from api.service.workers import TaskAnswer, TaskError, WorkerDiedError
from api.store.jobs import Job, Jobs
from api.store.plans import store_document, store_plan, store_simulation
from api.store.queue import Queue
from api.store.records import new_id, now
from api.store.registered import REPLANNING

T = TypeVar("T")

Outcome = TaskAnswer | TaskError | WorkerDiedError | None
"""What came of a task; None where it was stopped."""

REUSED = ("optimal", "infeasible")
"""Plans that equal requests are answered with. What ran out of time is tried again."""

RESULTS = {REPLANNING: "decision"}
"""Kind of a job → what its result is called, where that is not the same."""

log = structlog.get_logger("minfleet.jobs")


class Insist(Protocol):
    """Changes the store, however long it does not answer."""

    def __call__(self, change: Callable[[], T]) -> Awaitable[T]:
        """Return what the change returns."""


class Outcomes:
    """Records how the jobs of one server end.

    Parameters
    ----------
    insist
        How the store is changed.
    """

    def __init__(
        self, queue: Queue, jobs: Jobs, settings: Settings, metrics: Metrics, insist: Insist
    ) -> None:
        self._queue, self._jobs = queue, jobs
        self._settings, self._metrics, self._insist = settings, metrics, insist

    async def record(
        self, job: Job, attempt: dict[str, Any], outcome: Outcome, *, timed_out: bool
    ) -> str:
        """Store how a job ended; return its state from now on.

        Parameters
        ----------
        attempt
            The entry of this attempt in the job's record; how it ended is added.
        timed_out
            Whether the job took as long as this server lets it.
        """
        try:
            state = await self._record(job, attempt, outcome, timed_out=timed_out)
        except Exception:
            log.exception("the outcome of a job cannot be stored", job=job.id)
            attempt["ended"] = "its outcome could not be stored"
            state = await self._give_up(job, attempt)
        if state != "queued":
            self._metrics.jobs.labels(job.kind, state).inc()
        return state

    async def _record(
        self, job: Job, attempt: dict[str, Any], outcome: Outcome, *, timed_out: bool
    ) -> str:
        if isinstance(outcome, TaskAnswer):
            return await self._record_answer(job, attempt, outcome)
        if isinstance(outcome, WorkerDiedError):
            pid = attempt["worker_pid"]
            process = "a worker process" if pid is None else f"worker process {pid}"
            attempt["ended"] = f"{process} was killed, or crashed for lack of memory"
            self._metrics.worker_deaths.inc()
            log.error("worker died", job=job.id, worker_pid=pid)
            return await self._insist(partial(self._queue.end_attempt, job, attempt))
        if isinstance(outcome, TaskError):
            attempt["ended"] = "refused" if outcome.kind == "input" else "failed"
            log.log(
                20 if outcome.kind == "input" else 40,
                "job failed",
                job=job.id,
                kind=outcome.kind,
                message=outcome.message,
                traceback=outcome.traceback,
            )
            found = problem(TASK_PROBLEMS[outcome.kind], outcome.message)
            return await self._fail(job, attempt, found)
        return await self._record_stop(job, attempt, timed_out=timed_out)

    async def _record_answer(self, job: Job, attempt: dict[str, Any], outcome: TaskAnswer) -> str:
        result_id = new_id(RESULTS.get(job.kind, job.kind))
        head = {"id": result_id, "created_at": now().isoformat()}
        if job.kind == REPLANNING:
            document, store_result = decided(job, head, outcome.document)
        else:
            document = {**head, **outcome.document}
            store_result = _storing(job, document)
        attempt["ended"] = "answered"
        finish = partial(
            self._queue.finish,
            job,
            "done",
            attempt=attempt,
            result_id=result_id,
            store_result=store_result,
        )
        kept = await self._insist(finish)
        log.info("job is done", job=job.id, result=result_id, kept=kept)
        if not kept:  # taken over meanwhile; whoever did answers it
            return "queued"
        if job.kind == "plan":
            self._metrics.planned(document)
        if job.kind == REPLANNING:
            self._metrics.replanned(job.task, document["outcome"])
        return "done"

    async def _record_stop(self, job: Job, attempt: dict[str, Any], *, timed_out: bool) -> str:
        """Record that a job was stopped: for its time, by its user, or because the server ends."""
        limit = self._settings.job_time_limit_s
        current = await self._insist(partial(self._jobs.get, job.id))
        if timed_out:
            attempt["ended"] = f"stopped after {limit:g} s, the limit of this server"
            detail = f"the job was {attempt['ended']}; ask for less, or for a shorter time_limit_s."
            log.error("job took too long", job=job.id, limit_s=limit)
            return await self._fail(job, attempt, problem("time-limit", detail))
        if current is not None and current.cancel_requested:
            attempt["ended"] = "cancelled"
            await self._insist(partial(self._queue.finish, job, "cancelled", attempt=attempt))
            log.info("job was cancelled", job=job.id)
            return "cancelled"
        await self._insist(partial(self._queue.requeue, job))
        log.info("job waits for another server", job=job.id)
        return "queued"

    async def _fail(self, job: Job, attempt: dict[str, Any], found: dict[str, Any]) -> str:
        end = partial(
            self._queue.finish,
            job,
            "failed",
            attempt=attempt,
            problem=found,
            store_result=failed(job, found),
        )
        if await self._insist(end) and job.kind == REPLANNING:
            self._metrics.replanned(job.task, "failed")
        return "failed"

    async def _give_up(self, job: Job, attempt: dict[str, Any]) -> str:
        """Fail a job whose outcome cannot be stored, if that can."""
        try:
            return await self._fail(job, attempt, problem("internal", ""))
        except Exception:
            log.exception("nor can its failure", job=job.id)
            return "queued"


def _storing(job: Job, document: dict[str, Any]) -> Callable[[Connection], None]:
    """Return what stores the result of a job within the transaction that ends it."""
    if job.kind == "plan":
        reused = document["status"] in REUSED
        return partial(
            store_plan,
            document=document,
            request=job.task,
            digest=job.digest if reused else None,
            key_id=job.key_id,
        )
    if job.kind in ("comparison", "frontier"):
        return partial(
            store_document,
            kind=job.kind,
            document=document,
            digest=job.digest if document["complete"] else None,
            key_id=job.key_id,
        )
    return partial(
        store_simulation,
        document=document,
        digest=job.digest,
        plan_id=job.task.get("plan_id"),
        key_id=job.key_id,
    )
