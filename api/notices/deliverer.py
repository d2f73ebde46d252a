"""Works the outbox off: what is due is sent, what did not get through waits and is sent again.

At least once, never by two servers at a time while both live: a server claims a delivery before it
sends it. One that dies between the receiver's answer and the record of it leaves a delivery that
another server sends again, under the same id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import structlog
from anyio import to_thread

from api.notices.addresses import Reach
from api.notices.backoff import longest_pause_s, pause_s
from api.notices.sender import Sender
from api.notices.sending import NotDeliveredError
from api.service.metrics import Metrics
from api.service.settings import Settings
from api.store.deliveries import Claim
from api.store.store import Store
from data.errors import StoreError

T = TypeVar("T")

POLL_S = 1.0
"""How often the outbox is looked at."""

SWEEP_S = 2.0
"""How often it is looked for deliveries whose server is gone."""

AT_ONCE = 8
"""Messages that a server sends at once, each to another subscription."""

LAST_S = 3.0
"""How long messages that are under way get when the server stops."""

log = structlog.get_logger("minfleet.notices")


def sender_of(settings: Settings) -> Sender:
    """Return what sends under some settings."""
    reach = Reach.of(settings)
    return Sender(reach, settings.notify_timeout_s, settings.public_url, threads=AT_ONCE)


class Deliverer:
    """The deliveries of one server.

    Parameters
    ----------
    server_id
        Id under which the server beats.
    """

    def __init__(
        self, store: Store, settings: Settings, metrics: Metrics, server_id: str, sender: Sender
    ) -> None:
        self._store, self._settings, self._metrics = store, settings, metrics
        longest = longest_pause_s(settings.notify_max_pause_s)
        self._outbox = store.outbox(server_id, longest)
        self._sender = sender
        self._threads = anyio.CapacityLimiter(2)
        self._claims: dict[int, Claim] = {}
        self._wake = anyio.Event()
        self._draining = False
        self._done = anyio.Event()

    async def run(self) -> None:
        """Work until `drain` is called."""
        try:
            async with anyio.create_task_group() as around:
                around.start_soon(self._sweep)
                async with anyio.create_task_group() as sends:
                    await self._claims_in(sends.start_soon)
                    with anyio.move_on_after(LAST_S):
                        while self._claims:
                            await self._rest(LAST_S)
                    sends.cancel_scope.cancel()
                around.cancel_scope.cancel()
        finally:
            self._done.set()

    def begin_drain(self) -> None:
        """Claim nothing more; it may be called from a signal handler."""
        self._draining = True

    async def drain(self) -> None:
        """Claim nothing more; return once what is under way has ended or waits again."""
        self.begin_drain()
        self.notify()
        await self._done.wait()

    def notify(self) -> None:
        """Tell that something may be due."""
        wake, self._wake = self._wake, anyio.Event()
        wake.set()

    async def _claims_in(self, start: Callable[..., None]) -> None:
        """Claim what is due, one after the other, and start to send it."""
        while not self._draining:
            claim = await self._claim() if len(self._claims) < AT_ONCE else None
            if claim is None:
                await self._rest(POLL_S)
            else:
                self._claims[claim.number] = claim
                start(self._deliver, claim)

    async def _rest(self, seconds: float) -> None:
        wake = self._wake
        with anyio.move_on_after(seconds):
            await wake.wait()

    async def _claim(self) -> Claim | None:
        busy = [c.subscription.id for c in self._claims.values()]
        try:
            with anyio.CancelScope(shield=True):  # what was claimed is sent, or put back
                return await self._ask(lambda: self._outbox.claim(busy))
        except StoreError as error:
            log.warning("the store does not answer", error=str(error))
        except Exception:  # the loop must live on
            log.exception("no delivery can be claimed")
        return None

    async def _deliver(self, claim: Claim) -> None:
        """Send a message and record what came of it."""
        error: NotDeliveredError | None = None
        sent = False
        try:
            await self._sender.send(claim.event, claim.subscription)
            sent = True
        except NotDeliveredError as found:
            error = found
        except Exception as found:  # whatever a library brings, the delivery must not be lost
            log.exception("a message could not be sent", delivery=claim.number)
            error = NotDeliveredError(f"a fault of the server's own ({type(found).__name__}).")
        finally:
            with anyio.CancelScope(shield=True):
                await self._record(claim, sent=sent, error=error)
                del self._claims[claim.number]
                self.notify()

    async def _record(self, claim: Claim, *, sent: bool, error: NotDeliveredError | None) -> None:
        outbox, settings = self._outbox, self._settings
        if sent:
            state, change = "delivered", lambda: outbox.delivered(claim)
        elif error is None:  # broken off: the server stops
            state, change = "waiting", lambda: outbox.put_off(claim, None, 0.0)
        elif error.final or claim.attempts >= settings.notify_attempts:
            told = str(error)
            state, change = "failed", lambda: outbox.failed(claim, told)
        else:
            told = str(error)
            pause = pause_s(
                claim.attempts,
                settings.notify_pause_s,
                settings.notify_max_pause_s,
                wanted_s=error.wanted_s,
            )
            state, change = "retried", lambda: outbox.put_off(claim, told, pause)
        if not await self._insist(change):
            log.warning("another server has taken the delivery over", delivery=claim.number)
            return
        kind = claim.subscription.kind
        if state != "waiting":
            self._metrics.deliveries.labels(kind, state).inc()
        level = {"delivered": "info", "waiting": "info", "retried": "warning"}.get(state, "error")
        getattr(log, level)(
            f"message {state}",
            event_id=claim.event.id,
            subscription=claim.subscription.id,
            kind=kind,
            attempt=claim.attempts,
            error=None if error is None else str(error),
        )

    async def _insist(self, change: Callable[[], bool]) -> bool:
        """Record something, however long the store does not answer while the server runs.

        What cannot be recorded is sent again under the same id, once another server, or this one
        started anew, takes it over.
        """
        pause = 0.1
        while True:
            try:
                return await self._ask(change)
            except StoreError as error:
                log.warning("the store does not answer; trying again", error=str(error))
                if self._draining:
                    return False
                await anyio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def _sweep(self) -> None:
        """Let wait again what nobody sends any more; count what waits."""
        strays: set[int] = set()
        while True:
            try:
                found = (await self._ask(self._outbox.own)) - self._claims.keys()
                lost = found & strays  # twice: claimed by a transaction whose answer never came
                strays = found - lost
                freed = await self._ask(lambda lost=lost: self._outbox.release(lost))  # type: ignore[misc]
                freed += await self._ask(self._outbox.take_over)
                if freed:
                    log.warning("messages that nobody was sending wait again", deliveries=freed)
                    self.notify()
                waiting = await self._ask(self._store.deliveries.waiting)
                self._metrics.deliveries_waiting.set(waiting)
            except StoreError as error:
                strays = set()
                log.warning("the store does not answer", error=str(error))
            except Exception:  # else the messages of dead servers would wait for ever
                log.exception("the outbox cannot be looked through")
            await anyio.sleep(SWEEP_S)

    async def _ask(self, call: Callable[[], T]) -> T:
        return await to_thread.run_sync(call, limiter=self._threads)
