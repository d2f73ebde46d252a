"""``minfleet subscriptions``: who is told of events of the service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from api.commands.keys import opened, store_option
from api.errors import MinfleetGroup
from api.output import counted, json_option, print_json, show

if TYPE_CHECKING:
    from api.store.store import Store
    from api.store.subscriptions import Subscription

KINDS = ("webhook", "slack", "email", "apprise")


@click.group("subscriptions", cls=MinfleetGroup)
def subscriptions() -> None:
    """Tell webhooks, chats and e-mail of events of 'minfleet serve'. See docs/notifications.md."""


@subscriptions.command("add")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("target")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="KIND",
    help="Tell only of this kind, such as decision.switch; all by default. May be repeated.",
)
@click.option("--name", default="", help="What to call it.")
@store_option
@json_option
def add(
    kind: str, target: str, events: tuple[str, ...], name: str, store_url: str | None, as_json: bool
) -> None:
    """Tell TARGET of events from now on.

    TARGET is a URL: https://HOST/PATH of a webhook, or of an incoming webhook of Slack or
    Mattermost; for e-mail mailtos://USER:PASSWORD@HOST?to=NAME@HOST; else one of Apprise. With - it
    is read from stdin, so that it stands in no history of commands. The secret that webhooks are
    signed with is printed this once.
    """
    from api.notices.subscribing import subscribe, subscription_document
    from api.read import STDIN, read_stdin
    from api.schemas.notices import SubscriptionRequest
    from api.service.intake import parsed
    from api.service.settings import load_settings

    given = read_stdin("target").strip() if target == STDIN else target
    content = {"kind": kind, "target": given, "events": list(events), "name": name}
    _check_kinds(events)
    request = parsed(SubscriptionRequest, content, "")
    with opened(store_url) as store:
        made = subscribe(store, load_settings(store_url=store_url), request)
    document = subscription_document(made)
    if as_json:
        print_json({"schema": "minfleet/subscription/v1", **document, "secret": made.secret})
        return
    if made.secret is not None:
        click.echo(made.secret)
        click.echo("Webhooks are signed with it; it is not shown again.", err=True)
    told = ", ".join(events) or "all events"
    click.echo(f"{made.id} tells {document['target']} of {told}.", err=made.secret is not None)


def _check_kinds(events: tuple[str, ...]) -> None:
    from api.store.events import KINDS as EVENTS
    from data.errors import UnknownNameError

    for event in events:
        if event not in EVENTS:
            raise UnknownNameError("kind of event", event, EVENTS, place="--event")


@subscriptions.command("list")
@store_option
@json_option
def list_subscriptions(store_url: str | None, as_json: bool) -> None:
    """List the subscriptions, without what is secret in their targets."""
    from api.notices.subscribing import subscription_document

    with opened(store_url) as store:
        found = [subscription_document(s) for s in store.subscriptions.list()]
        counts = {s["id"]: _counts(store, s["id"]) for s in found}
    rows = [
        (s["id"], s["name"] or s["kind"], s["target"], ", ".join(s["events"]) or "all",
         str(counts[s["id"]]["waiting"]), str(counts[s["id"]]["failed"]))
        for s in found
    ]  # fmt: skip
    headings = ("Subscription", "Name", "Target", "Events", "Waiting", "Failed")
    document: dict[str, object] = {"subscriptions": [{**s, **counts[s["id"]]} for s in found]}
    title = counted(len(found), "subscription")
    text = ("Name", "Target", "Events")
    tables = [(title, headings, rows)]
    show(as_json, "subscriptions", document, tables, text_columns=text, wide=True)


def _counts(store: Store, subscription_id: str) -> dict[str, int]:
    counts = store.deliveries.counts(subscription_id)
    waiting = counts.get("waiting", 0) + counts.get("sending", 0)
    return {"waiting": waiting, "failed": counts.get("failed", 0)}


@subscriptions.command("remove")
@click.argument("subscription_id")
@store_option
def remove(subscription_id: str, store_url: str | None) -> None:
    """Tell it nothing more. SUBSCRIPTION_ID is the one that 'list' shows."""
    with opened(store_url) as store:
        _known(store, subscription_id)
        store.subscriptions.remove(subscription_id)
    click.echo(f"{subscription_id} is removed.")


@subscriptions.command("test")
@click.argument("subscription_id")
@store_option
@json_option
def test(subscription_id: str, store_url: str | None, as_json: bool) -> None:
    """Send a message that says that it is a test, from here and now. Exit status 1 if it fails."""
    import anyio

    from api.notices.deliverer import sender_of
    from api.notices.subscribing import try_out
    from api.notices.targets import masked
    from api.service.settings import load_settings

    with opened(store_url) as store:
        found = _known(store, subscription_id)
    sender = sender_of(load_settings(store_url=store_url))
    result: dict[str, Any] = anyio.run(try_out, sender, found)
    target = masked(found.kind, found.target)
    if as_json:
        print_json({"schema": "minfleet/subscription-test/v1", **result})
    elif result["delivered"]:
        click.echo(f"{target} took it within {result['seconds']:.1f} s.")
    else:
        click.echo(f"Not delivered: {result['error']}", err=True)
    if not result["delivered"]:
        sys.exit(1)


@subscriptions.command("deliveries")
@click.argument("subscription_id")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True,
              help="How many, the latest first.")  # fmt: skip
@store_option
@json_option
def deliveries(subscription_id: str, limit: int, store_url: str | None, as_json: bool) -> None:
    """Show what became of the messages: state, attempts, the last error."""
    with opened(store_url) as store:
        _known(store, subscription_id)
        found = store.deliveries.list(subscription_id, limit)
    rows = [
        (d.event_id, d.event_kind, d.subject, d.state, str(d.attempts),
         d.due_at.strftime("%Y-%m-%d %H:%M:%S") if d.state == "waiting" else "", d.error or "")
        for d in found
    ]  # fmt: skip
    headings = ("Event", "Kind", "About", "State", "Attempts", "Next (UTC)", "Last error")
    document: dict[str, object] = {"deliveries": [dict(vars(d)) for d in found]}
    text = ("Kind", "About", "State", "Next (UTC)", "Last error")
    title = counted(len(found), "delivery", "deliveries")
    show(as_json, "deliveries", document, [(title, headings, rows)], text_columns=text, wide=True)


@subscriptions.command("send-again")
@click.argument("subscription_id")
@click.option("--event", "event_id", metavar="EVENT", help="Only this event, delivered or not.")
@store_option
def send_again(subscription_id: str, event_id: str | None, store_url: str | None) -> None:
    """Let the server send again what failed, as often as something new."""
    with opened(store_url) as store:
        _known(store, subscription_id)
        number = store.deliveries.send_again(subscription_id, event_id)
    click.echo(f"{counted(number, 'message')} will be sent again.")


def _known(store: Store, subscription_id: str) -> Subscription:
    from data.errors import UnknownNameError

    found = store.subscriptions.get(subscription_id)
    if found is None:
        known = [s.id for s in store.subscriptions.list()]
        hint = "list them with 'minfleet subscriptions list'"
        raise UnknownNameError("subscription", subscription_id, known, hint=hint)
    return found
