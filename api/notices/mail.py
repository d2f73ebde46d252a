"""Messages through Apprise: e-mail, and whatever else it has a URL for."""

from __future__ import annotations

import logging
from typing import Any

from api.notices.addresses import Reach, RefusedAddressError
from api.notices.library import apprise
from api.notices.sending import NotDeliveredError
from api.notices.targets import check_plugin, plugin_of, without_secrets
from data.errors import InputError


def send(target: str, event: dict[str, Any], reach: Reach, *, timeout_s: float) -> None:
    """Send an event as a message; it waits for the answer, so call it in a thread.

    Parameters
    ----------
    event
        See `api.notices.messages.event_document`.

    Raises
    ------
    NotDeliveredError
        If it did not get through; with Apprise's own words, without what is secret in the target.
    """
    library = apprise()
    try:
        plugin = plugin_of(target)
        check_plugin(plugin, reach)
    except (InputError, RefusedAddressError) as error:
        raise NotDeliveredError(str(error)) from None
    messages = library.Apprise()
    messages.add(plugin)
    about = [f"{event['kind']} {event['id']}", *([event["url"]] if event["url"] else [])]
    done = messages.notify(
        title=event["title"],
        body="\n".join([event["text"], "", *about]).strip(),
        body_format=library.NotifyFormat.TEXT,
        timeout=timeout_s,
        log_level=logging.DEBUG,
    )
    if not done:
        raise NotDeliveredError(without_secrets(_why(done), target))


def _why(done: Any) -> str:
    """Return why a message did not get through: of Apprise's log what went wrong."""
    said = [
        " ".join(entry.message.split()).rstrip(".")
        for entry in done.logs()
        if entry.level in ("WARNING", "ERROR") or "Exception" in entry.message
    ]
    return f"{'; '.join(dict.fromkeys(said)) or 'no reason is given'}."
