"""Takes jobs from the queue, gives them to workers, and records how each ended.

Time is measured by the monotonic clock alone, and the life of other servers by whether their
beats go on: no jump of a wall clock can end a job, or hand it to two servers.
"""

from __future__ import annotations

import json
import math
import time
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import structlog
from anyio import to_thread
from sqlalchemy import Connection

from api.service.metrics import Metrics
from api.service.problems import TASK_PROBLEMS, problem
from api.service.progress import Listener, Progress
from api.service.settings import Settings
from api.service.workers import TaskAnswer, TaskError, WorkerDiedError, Workers
from api.store.jobs import Job
from api.store.plans import store_plan, store_simulation
from api.store.records import new_id, now
from api.store.store import Store
from api.write import write_atomically
from data.catalog import Catalog
from data.errors import StoreError

T = TypeVar("T")

POLL_S = 1.0
"""How often idle slots look for jobs of other servers, and waiters for their ends."""

BEAT_S = 2.0
"""How often a server tells that it lives."""

DEAD_AFTER_S = 15.0
"""A server whose beat stood still for so long is dead."""

REUSED = ("optimal", "infeasible")
"""Plans that equal requests are answered with. What ran out of time is tried again."""

log = structlog.get_logger("minfleet.jobs")


class Dispatcher:
    """The jobs of one server at work.

    Parameters
    ----------
    workers
        Where they run; one slot for each.
    """

    def __init__(
        self, store: Store, workers: Workers, settings: Settings, metrics: Metrics
    ) -> None:
        self.id = new_id("server")
        self._store, self._workers, self._settings = store, workers, settings
        self._metrics = metrics
        self._queue = store.queue(self.id)
        self._wake = anyio.Event()
        self._ended: dict[str, anyio.Event] = defaultdict(anyio.Event)
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._reports: dict[str, Progress] = {}
        self._draining = False
        self._mean_s = 1.0

    async def run(self) -> None:
        """Work until `drain` was called and is done."""
        listener = Listener(self._workers.channel, self._heard)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._beat)
                async with anyio.create_task_group() as slots:
                    for _ in range(self._workers.count):
                        slots.start_soon(self._slot)
                group.cancel_scope.cancel()
        finally:
            listener.close()

    def notify(self) -> None:
        """Tell that a job waits."""
        wake, self._wake = self._wake, anyio.Event()
        wake.set()

    async def wait(self, job_id: str, timeout_s: float) -> Job | None:
        """Return a job once it has ended, or as it is after `timeout_s`.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self._ended[job_id]
            job = await to_thread.run_sync(self._store.jobs.get, job_id)
            left = deadline - time.monotonic()
            if job is None or job.finished or left <= 0:
                self._ended.pop(job_id, None)
                return job
            with anyio.move_on_after(min(left, POLL_S)):
                await ended.wait()

    async def follow(self, job_id: str) -> AsyncIterator[Job]:
        """Yield a job whenever it changed, until it has ended or the server drains."""
        told: Any = None
        while not self._draining:
            job = await to_thread.run_sync(self._store.jobs.get, job_id)
            if job is None:
                return
            view = (job.state, self.progress_of(job), len(job.attempts))
            if view != told:
                told = view
                yield job
            if job.finished:
                return
            await anyio.sleep(POLL_S / 4)

    def progress_of(self, job: Job) -> Progress | None:
        """Return how far a job is: what its worker told here, or what the store knows."""
        return self._reports.get(job.id, job.progress)

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job, wherever it runs; return it.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        job = await to_thread.run_sync(self._store.jobs.cancel, job_id)
        if job_id in self._scopes:
            self._scopes[job_id].cancel()
            return await self.wait(job_id, POLL_S * 5)
        return job

    def pause_s(self, waiting: int) -> int:
        """Return how many seconds pass, about, until a queue of that length is half worked off."""
        return max(1, math.ceil(waiting / 2 * self._mean_s / self._workers.count))

    def begin_drain(self) -> None:
        """Take no more jobs, and let those who follow one go."""
        self._draining = True

    async def drain(self, grace_s: float) -> None:
        """Take no more jobs; give those that run `grace_s`, and put the rest back in the queue."""
        self.begin_drain()
        self.notify()
        deadline = time.monotonic() + grace_s
        while self._scopes and time.monotonic() < deadline:
            await anyio.sleep(0.05)
        for scope in list(self._scopes.values()):
            scope.cancel()

    def with_catalog(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return a task with the file that its snapshot of the catalogue can be read from.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        catalog_id = task["catalog_id"]
        file = None
        if catalog_id != Catalog.load().id:
            file = self._workers.folder / f"{catalog_id}.json"
            if not file.exists():
                catalog = self._store.catalogs.load(catalog_id)
                write_atomically(file, json.dumps(catalog.to_dict()))
        return {**task, "catalog_file": None if file is None else str(file)}

    async def _slot(self) -> None:
        """Work off one job after the other."""
        while not self._draining:
            wake = self._wake
            try:
                job = await to_thread.run_sync(self._queue.claim)
            except StoreError as error:
                log.warning("the store does not answer", error=str(error))
                job = None
            if job is not None and self._draining:
                await self._insist(partial(self._queue.requeue, job))
                return
            if job is not None:
                await self._do(job)
                continue
            with anyio.move_on_after(POLL_S):
                await wake.wait()

    async def _do(self, job: Job) -> None:
        """Run a job and record how it ended."""
        begin = time.monotonic()
        attempt = {"owner": self.id, "worker_pid": None, "started_at": now().isoformat()}
        log.info("job begins", job=job.id, kind=job.kind)
        outcome: TaskAnswer | TaskError | WorkerDiedError | None = None
        with anyio.move_on_after(self._settings.job_time_limit_s) as scope:
            self._scopes[job.id] = scope
            try:
                task = await self._insist(partial(self.with_catalog, job.task))
                outcome = await self._workers.run(job.kind, task, job.id)
            except (TaskError, WorkerDiedError) as error:
                outcome = error
            except Exception as error:  # the slot must live on, whatever a job brings
                outcome = TaskError("internal", repr(error), traceback.format_exc())
        with anyio.CancelScope(shield=True):
            attempt["worker_pid"] = self._reports.get(job.id, {}).get("worker_pid")
            timed_out = time.monotonic() - begin >= self._settings.job_time_limit_s
            await self._record(job, attempt, outcome, timed_out=timed_out)
            took_s = time.monotonic() - begin
            self._metrics.job_seconds.labels(job.kind).observe(took_s)
            self._mean_s += (took_s - self._mean_s) / 10
            del self._scopes[job.id]
            self._reports.pop(job.id, None)
            self._ended.pop(job.id, anyio.Event()).set()

    async def _record(
        self,
        job: Job,
        attempt: dict[str, Any],
        outcome: TaskAnswer | TaskError | WorkerDiedError | None,
        *,
        timed_out: bool,
    ) -> None:
        if isinstance(outcome, TaskAnswer):
            result_id = new_id("plan" if job.kind == "plan" else "simulation")
            document = {"id": result_id, "created_at": now().isoformat(), **outcome.document}
            attempt["ended"] = "answered"
            finish = partial(
                self._queue.finish,
                job,
                "done",
                attempt=attempt,
                result_id=result_id,
                store_result=_storing(job, document),
            )
            kept = await self._insist(finish)
            log.info("job is done", job=job.id, result=result_id, kept=kept)
            if job.kind == "plan":
                self._metrics.planned(document)
            state = "done"
        elif isinstance(outcome, WorkerDiedError):
            pid = attempt["worker_pid"]
            attempt["ended"] = f"worker process {pid} was killed, or crashed for lack of memory"
            self._metrics.worker_deaths.inc()
            log.error("worker died", job=job.id, worker_pid=pid)
            await self._insist(partial(self._queue.end_attempt, job, attempt))
            self.notify()
            return
        elif isinstance(outcome, TaskError):
            state = "failed"
            attempt["ended"] = "refused" if outcome.kind == "input" else "failed"
            found = problem(TASK_PROBLEMS[outcome.kind], outcome.message)
            log.log(
                20 if outcome.kind == "input" else 40,
                "job failed",
                job=job.id,
                kind=outcome.kind,
                message=outcome.message,
                traceback=outcome.traceback,
            )
            await self._insist(
                partial(self._queue.finish, job, state, attempt=attempt, problem=found)
            )
        else:
            state = await self._record_stop(job, attempt, timed_out=timed_out)
        self._metrics.jobs.labels(job.kind, state).inc()

    async def _record_stop(self, job: Job, attempt: dict[str, Any], *, timed_out: bool) -> str:
        """Record that a job was stopped: for its time, by its user, or because the server ends."""
        limit = self._settings.job_time_limit_s
        current = await self._insist(partial(self._store.jobs.get, job.id))
        if timed_out:
            attempt["ended"] = f"stopped after {limit:g} s, the limit of this server"
            detail = f"the job was {attempt['ended']}; ask for less, or for a shorter time_limit_s."
            found = problem("time-limit", detail)
            await self._insist(
                partial(self._queue.finish, job, "failed", attempt=attempt, problem=found)
            )
            log.error("job took too long", job=job.id, limit_s=limit)
            return "failed"
        if current is not None and current.cancel_requested:
            attempt["ended"] = "cancelled"
            await self._insist(partial(self._queue.finish, job, "cancelled", attempt=attempt))
            log.info("job was cancelled", job=job.id)
            return "cancelled"
        await self._insist(partial(self._queue.requeue, job))
        log.info("job waits for another server", job=job.id)
        return "requeued"

    async def _insist(self, change: Callable[[], T]) -> T:
        """Change the store, however long it does not answer: results are not thrown away."""
        pause_s = 0.1
        while True:
            try:
                return await to_thread.run_sync(change)
            except StoreError as error:
                log.warning("the store does not answer; trying again", error=str(error))
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)

    def _heard(self, job_id: str, progress: Progress) -> None:
        if job_id in self._scopes:
            self._reports[job_id] = progress

    async def _beat(self) -> None:
        """Tell that this server lives, look after cancellations, strays and dead servers."""
        seen: dict[str, tuple[int, float]] = {}
        strays: set[str] = set()
        while True:
            try:
                beats = await to_thread.run_sync(self._queue.beat)
                for job_id in await to_thread.run_sync(self._queue.to_cancel):
                    if job_id in self._scopes:
                        self._scopes[job_id].cancel()
                strays = await self._recover_strays(strays)
                await self._store_reports()
                await self._bury(beats, seen)
                self._metrics.queue_seen(await to_thread.run_sync(self._store.jobs.counts))
            except StoreError as error:
                log.warning("the store does not answer", error=str(error))
                seen.clear()  # nobody's beat went on while the store was away
            await anyio.sleep(BEAT_S)

    async def _recover_strays(self, before: set[str]) -> set[str]:
        """Put back jobs that were claimed by a transaction whose answer never came.

        Parameters
        ----------
        before
            Those that looked like it one beat ago.
        """
        running = await to_thread.run_sync(self._queue.running)
        strays = {job.id: job for job in running if job.id not in self._scopes}
        for job_id in strays.keys() & before:
            log.warning("job was claimed and never begun", job=job_id)
            await to_thread.run_sync(self._queue.requeue, strays[job_id])
        return set(strays)

    async def _store_reports(self) -> None:
        """Let other servers see how far the jobs here are."""
        for job in await to_thread.run_sync(self._queue.running):
            if job.id in self._reports:
                await to_thread.run_sync(self._queue.note_progress, job, self._reports[job.id])

    async def _bury(self, beats: dict[str, int], seen: dict[str, tuple[int, float]]) -> None:
        """Take over the jobs of servers whose beat stands still.

        Parameters
        ----------
        seen
            Server → its last beat, and when it was first seen here by the monotonic clock.
        """
        moment = time.monotonic()
        for server in seen.keys() - beats.keys():
            del seen[server]
        for server, beat in beats.items():
            if seen.get(server, (None,))[0] != beat:
                seen[server] = (beat, moment)
        dead = [s for s, (_, since) in seen.items() if moment - since > DEAD_AFTER_S]
        if dead:
            why = "the server that ran it died"
            jobs = await to_thread.run_sync(partial(self._queue.take_over, dead, why=why))
            log.warning("took over the jobs of dead servers", servers=dead, jobs=jobs)
            self.notify()


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
    return partial(
        store_simulation,
        document=document,
        digest=job.digest,
        plan_id=job.task.get("plan_id"),
        key_id=job.key_id,
    )
