"""Looks every second which registered workloads are due, and puts their jobs in the queue.

Schedulers that keep their times in memory, or that lock none of them, plan a workload once for each
server. Here a due time is a column of the store, and moving it on is the claim (`api.store.due`);
what is left to do is to look.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TypeVar

import anyio
import structlog
from anyio import to_thread

from api.service.metrics import Metrics
from api.service.settings import Settings
from api.store.due import Claimed
from api.store.registered import REPLANNING
from api.store.store import Store
from data.errors import StoreError

T = TypeVar("T")

TICK_S = 1.0
"""How often it looks."""

log = structlog.get_logger("minfleet.scheduler")


class Scheduler:
    """The due workloads of a store, from the side of one server.

    Parameters
    ----------
    notify
        Called when there are new jobs.
    """

    def __init__(
        self, store: Store, settings: Settings, metrics: Metrics, notify: Callable[[], None]
    ) -> None:
        self._store, self._settings = store, settings
        self._metrics, self._notify = metrics, notify
        self._threads = anyio.CapacityLimiter(1)

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Look again and again, until the server stops."""
        while not stopping():
            try:
                if self._settings.scheduler:
                    await self.look()
                else:
                    self._metrics.due.set(await self._ask(self._store.due.count))
            except StoreError as error:
                log.warning("the store does not answer", error=str(error))
            except Exception:  # one fault must not end all schedules
                log.exception("due workloads cannot be claimed")
            await anyio.sleep(TICK_S)

    async def look(self, at: dt.datetime | None = None) -> Claimed:
        """Put the jobs of due workloads in the queue, as far as it has room.

        Parameters
        ----------
        at
            Those that were due then; now by default.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        claimed = await self._ask(lambda: self._store.due.claim(self._settings.queue_limit, at))
        self._metrics.due.set(claimed.left)
        for name, why in claimed.broken.items():
            log.error("a schedule cannot be read any more", workload=name, error=why)
        if claimed.jobs:
            log.info("due workloads are planned", jobs=len(claimed.jobs), left=claimed.left)
            self._notify()
        return claimed

    async def planned(self) -> dict[str, str]:
        """Return the workloads that are planned at the moment, by any server, and their jobs.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        found = await self._ask(lambda: self._store.jobs.open(REPLANNING))
        return {job.task["workload"]: job.id for job in found}

    async def _ask(self, call: Callable[[], T]) -> T:
        return await to_thread.run_sync(call, limiter=self._threads)
