"""Takes jobs from the queue, gives them to workers, and records how each ended.

Time is measured by the monotonic clock alone, and the life of other servers by whether their
beats go on: no jump of a wall clock can end a job, or hand it to two servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Any, TypeVar

import anyio
import structlog
from anyio import to_thread

from api.service.metrics import Metrics
from api.service.outcomes import Outcome, Outcomes
from api.service.progress import Progress
from api.service.replanning import furnished
from api.service.settings import Settings
from api.service.snapshot_files import SnapshotFiles
from api.service.workers import TaskError, WorkerDiedError, Workers
from api.store.jobs import Job
from api.store.records import new_id, now
from api.store.store import Store
from data.errors import StoreError

T = TypeVar("T")

POLL_S = 1.0
"""How often idle slots look for jobs of other servers, and waiters for their ends."""

BEAT_S = 2.0
"""How often a server tells that it lives."""

KEEP_ALIVE_S = 15.0
"""How long a stream says nothing at most, so that no proxy takes it for dead."""

OWN_THREADS = 4
"""Threads besides one for each worker that talk to the store, whatever requests do."""

STILL_S = 10.0
"""A store that let no beat through for so long does not answer."""

log = structlog.get_logger("minfleet.jobs")


class Dispatcher:
    """The jobs of one server at work.

    Parameters
    ----------
    workers
        Where they run; one slot for each.
    kinds
        Kinds of jobs that are taken; None for all.
    """

    def __init__(
        self,
        store: Store,
        workers: Workers,
        settings: Settings,
        metrics: Metrics,
        kinds: Collection[str] | None = None,
    ) -> None:
        self.id = new_id("server")
        self._store, self._workers, self._settings = store, workers, settings
        self._metrics = metrics
        self._queue = store.queue(self.id, kinds)
        self._files = SnapshotFiles(workers.folder, store.catalogs, workers.count)
        self._threads = anyio.CapacityLimiter(workers.count + OWN_THREADS)
        self._loop = asyncio.get_running_loop()
        self._outcomes = Outcomes(self._queue, store.jobs, settings, metrics, self._insist)
        self._wake = anyio.Event()
        self._ended: dict[str, anyio.Event] = defaultdict(anyio.Event)
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._reports: dict[str, Progress] = {}
        self._draining = False
        self._drain = anyio.Event()
        self._grace_is_over = False
        self._done = anyio.Event()
        self._mean_s = 1.0
        self._beat_at = time.monotonic()
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the store cannot be written to, as of the last beat; None where it can."""
        silent_s = time.monotonic() - self._beat_at
        if silent_s > STILL_S:
            return f"the store has not answered for {silent_s:.0f} s."
        return self._trouble

    @property
    def at_work(self) -> bool:
        """Whether jobs are worked off."""
        return not (self._draining or self._done.is_set())

    async def run(self) -> None:
        """Work until `begin_drain` was called and what runs has ended or waits again."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._beat)
                group.start_soon(self._end_grace)
                async with anyio.create_task_group() as slots:
                    for _ in range(self._workers.count):
                        slots.start_soon(self._slot)
                group.cancel_scope.cancel()
            with contextlib.suppress(StoreError):  # others will take it for dead, then
                await self._ask(self._queue.leave)
        finally:
            self._done.set()

    def notify(self) -> None:
        """Tell that a job waits."""
        wake, self._wake = self._wake, anyio.Event()
        wake.set()

    async def wait(self, job_id: str, timeout_s: float, *, new: bool = False) -> Job | None:
        """Return a job once it has ended, or as it is after `timeout_s`.

        While the server drains, only what runs here is waited for.

        Parameters
        ----------
        new
            Whether it was stored a moment ago: it is not looked up before it can have ended.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self._ended[job_id]
            hopeless = self._draining and job_id not in self._scopes
            if new and not hopeless:
                with anyio.move_on_after(min(deadline - time.monotonic(), POLL_S)):
                    await ended.wait()
            new = False
            job = await to_thread.run_sync(self._store.jobs.get, job_id)
            left = deadline - time.monotonic()
            if job is None or job.finished or left <= 0 or hopeless:
                self._ended.pop(job_id, None)
                return job
            with anyio.move_on_after(min(left, POLL_S)):
                await ended.wait()

    async def follow(self, job_id: str) -> AsyncIterator[Job | None]:
        """Yield a job whenever it changed, until it has ended or the server drains.

        None where nothing was said for long.
        """
        told: Any = None
        told_at = time.monotonic()
        while not self._draining:
            job = await to_thread.run_sync(self._store.jobs.get, job_id)
            if job is None:
                return
            view = (job.state, self.progress_of(job), len(job.attempts))
            if view != told:
                told, told_at = view, time.monotonic()
                yield job
            elif time.monotonic() - told_at > KEEP_ALIVE_S:
                told_at = time.monotonic()
                yield None
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
        if job is not None and job.state == "running":
            return await self.wait(job_id, BEAT_S + 3 * POLL_S)
        return job

    def pause_s(self, waiting: int) -> int:
        """Return how many seconds pass, about, until a queue of that length is half worked off."""
        return max(1, math.ceil(waiting / 2 * self._mean_s / self._workers.count))

    def begin_drain(self) -> None:
        """Take no more jobs, let those who follow one go, and give what runs the grace.

        It may be called from a signal handler.
        """
        if not self._draining:
            self._draining = True
            self._loop.call_soon_threadsafe(self._drain.set)

    async def drain(self) -> None:
        """Take no more jobs; return once those that ran have ended or are back in the queue."""
        self.begin_drain()
        await self._done.wait()

    async def _end_grace(self) -> None:
        """Put what still runs back in the queue when the grace is over."""
        await self._drain.wait()
        self.notify()
        await anyio.sleep(self._settings.shutdown_grace_s)
        self._grace_is_over = True
        for scope in list(self._scopes.values()):
            scope.cancel()

    def with_catalog(self, task: dict[str, Any]) -> dict[str, Any]:
        """Return a task with the file that its snapshot of the catalogue can be read from.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        file = self._files.file_of(task["catalog_id"])
        return {**task, "catalog_file": None if file is None else str(file)}

    async def _slot(self) -> None:
        """Work off one job after the other."""
        polling = False
        while not self._draining:
            wake = self._wake
            with anyio.CancelScope(shield=True):  # what was claimed is begun, or put back
                job = await self._claim(polling)
                if job is not None and self._draining:
                    await self._insist(partial(self._queue.requeue, job))
                    return
            if job is not None:
                await self._do(job)
                polling = False
                continue
            with anyio.move_on_after(POLL_S) as pause:
                await wake.wait()
            polling = pause.cancelled_caught

    async def _claim(self, polling: bool) -> Job | None:
        try:
            return await self._ask(partial(self._queue.claim, look_first=polling))
        except StoreError as error:
            log.warning("the store does not answer", error=str(error))
        except Exception:  # the slot must live on
            log.exception("no job can be claimed")
        return None

    async def _do(self, job: Job) -> None:
        """Run a job and record how it ended."""
        begin = time.monotonic()
        attempt = {"owner": self.id, "worker_pid": None, "started_at": now().isoformat()}
        log.info("job begins", job=job.id, kind=job.kind)
        outcome: Outcome = None
        with anyio.move_on_after(self._settings.job_time_limit_s) as scope:
            self._scopes[job.id] = scope
            try:
                job = await self._insist(partial(furnished, self._store, job))
                task = await self._insist(partial(self.with_catalog, job.task))
                outcome = await self._workers.run(job.kind, task, partial(self._heard, job.id))
            except (TaskError, WorkerDiedError) as error:
                outcome = error
            except Exception as error:  # the slot must live on, whatever a job brings
                outcome = TaskError("internal", repr(error), traceback.format_exc())
        with anyio.CancelScope(shield=True):
            attempt["worker_pid"] = self._reports.get(job.id, {}).get("worker_pid")
            timed_out = time.monotonic() - begin >= self._settings.job_time_limit_s
            state = await self._outcomes.record(job, attempt, outcome, timed_out=timed_out)
            took_s = time.monotonic() - begin
            self._metrics.job_seconds.labels(job.kind).observe(took_s)
            self._mean_s += (took_s - self._mean_s) / 10
            self._scopes.pop(job.id, None)
            self._reports.pop(job.id, None)
            self._ended.pop(job.id, anyio.Event()).set()
            if state == "queued":
                self.notify()

    async def _ask(self, call: Callable[[], T]) -> T:
        """Ask the store in a thread that no request can take."""
        return await to_thread.run_sync(call, limiter=self._threads)

    async def _insist(self, change: Callable[[], T]) -> T:
        """Change the store, however long it does not answer: results are not thrown away.

        Raises
        ------
        StoreError
            If the server stops, and its grace is over: whoever comes after begins again.
        """
        pause_s = 0.1
        while True:
            try:
                return await self._ask(change)
            except StoreError as error:
                if self._grace_is_over:
                    raise
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
                beats = await self._ask(self._queue.beat)
                for job_id in await self._ask(self._queue.to_cancel):
                    if job_id in self._scopes:
                        self._scopes[job_id].cancel()
                strays = await self._recover_strays(strays)
                await self._store_reports()
                await self._bury(beats, seen)
                self._metrics.queue_seen(await self._ask(self._store.jobs.counts))
                self._metrics.refreshes_seen(await self._ask(self._store.refreshes.counts))
                self._trouble = None
            except StoreError as error:
                self._trouble = str(error)
                log.warning("the store does not answer", error=str(error))
                seen.clear()  # nobody's beat went on while the store was away
            except Exception:  # a server that does not beat any more would be taken for dead
                log.exception("beat failed")
            self._beat_at = time.monotonic()
            await anyio.sleep(BEAT_S)

    async def _recover_strays(self, before: set[str]) -> set[str]:
        """Put back jobs that were claimed by a transaction whose answer never came.

        Parameters
        ----------
        before
            Those that looked like it one beat ago.
        """
        running = await self._ask(self._queue.running)
        strays = {job.id: job for job in running if job.id not in self._scopes}
        for job_id in strays.keys() & before:
            log.warning("job was claimed and never begun", job=job_id)
            await self._ask(partial(self._queue.requeue, strays[job_id]))
        return set(strays)

    async def _store_reports(self) -> None:
        """Let other servers see how far the jobs here are."""
        for job in await self._ask(self._queue.running):
            if job.id in self._reports:
                report = self._reports[job.id]
                await self._ask(partial(self._queue.note_progress, job, report))

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
        silent_s = self._settings.dead_after_s
        dead = [s for s, (_, since) in seen.items() if moment - since > silent_s]
        if dead:
            why = "the server that ran it died"
            jobs = await self._ask(partial(self._queue.take_over, dead, why=why))
            log.warning("took over the jobs of dead servers", servers=dead, jobs=jobs)
            self.notify()
