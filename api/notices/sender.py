"""One message to one subscription, whatever its kind."""

from __future__ import annotations

import base64
from functools import partial

import httpx
from anyio import CapacityLimiter, fail_after, to_thread

from api.notices import chat, mail, post, webhook
from api.notices.addresses import Reach
from api.notices.messages import event_document
from api.notices.sending import NotDeliveredError
from api.notices.targets import without_secrets
from api.store.events import Event
from api.store.records import now
from api.store.subscriptions import Subscription


class Sender:
    """Sends messages.

    Parameters
    ----------
    reach
        What may be reached.
    timeout_s
        How long one message may take, all in all.
    public_url
        Where people reach this server, for links; "" for none.
    threads
        Messages through Apprise at once; each has a thread.
    """

    def __init__(self, reach: Reach, timeout_s: float, public_url: str, *, threads: int) -> None:
        self._reach, self._timeout_s, self._public_url = reach, timeout_s, public_url
        self._threads = CapacityLimiter(threads)

    async def send(self, event: Event, subscription: Subscription) -> None:
        """Send an event; it has arrived when this returns.

        Raises
        ------
        NotDeliveredError
            If it did not, or if the receiver did not say so in time.
        """
        try:
            with fail_after(self._timeout_s):
                await self._send(event, subscription)
        except TimeoutError:
            raise NotDeliveredError(f"no answer within {self._timeout_s:g} s.") from None

    async def _send(self, event: Event, subscription: Subscription) -> None:
        document, target = event_document(event, self._public_url), subscription.target
        if subscription.kind == "webhook":
            assert subscription.secret is not None
            content = webhook.payload(document)
            headers = webhook.signed(content, event.id, subscription.secret, now())
            await self._post(target, content, headers)
        elif subscription.kind == "slack":
            headers = {"Content-Type": "application/json", "User-Agent": "minfleet"}
            await self._post(target, chat.payload(document), headers)
        else:
            call = partial(mail.send, target, document, self._reach, timeout_s=self._timeout_s)
            await to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)

    async def _post(self, target: str, content: bytes, headers: dict[str, str]) -> None:
        url = httpx.URL(target)
        if url.userinfo:
            given = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
            headers = {**headers, "Authorization": f"Basic {given}"}
        bare = str(url.copy_with(username=None, password=None))
        try:
            await post.post(bare, content, headers, self._reach, timeout_s=self._timeout_s)
        except NotDeliveredError as error:
            told = without_secrets(str(error), target)
            raise NotDeliveredError(told, wanted_s=error.wanted_s, final=error.final) from None
