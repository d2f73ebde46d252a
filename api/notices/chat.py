"""Messages of incoming webhooks as Slack has them; Mattermost and others take the same JSON."""

from __future__ import annotations

import json
from typing import Any

MOST_CHARACTERS = 2900
"""Of a block; Slack refuses more than 3,000."""

MOST_OF_A_HEADING = 150


def payload(event: dict[str, Any]) -> bytes:
    """Return the body of a message.

    `text` is all that Mattermost reads, and what Slack shows in its notifications.

    Parameters
    ----------
    event
        See `api.notices.messages.event_document`.
    """
    title, text = event["title"], event["text"]
    link = [event["url"]] if event["url"] else []
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": _cut(title, MOST_OF_A_HEADING)},
        },
    ]
    if text:
        blocks.append({"type": "section", "text": _words(text)})
    about = [event["kind"], event["created_at"][:16].replace("T", " ") + " UTC", *link]
    blocks.append({"type": "context", "elements": [_words(" · ".join(about))]})
    whole = "\n".join(part for part in (title, text, *link) if part)
    return json.dumps({"text": _escaped(whole), "blocks": blocks}, allow_nan=False).encode()


def _words(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": _cut(_escaped(text), MOST_CHARACTERS)}


def _escaped(text: str) -> str:
    """Return a text in which nothing calls people or is a link: Slack's own three characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
