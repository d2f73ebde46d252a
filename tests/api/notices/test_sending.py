"""One message to one receiver of each kind: what arrives, and what is said when it does not."""

from __future__ import annotations

import ipaddress
import logging
import random
import socket

import anyio
import pytest
from aiosmtpd.controller import Controller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from api.notices import post
from api.notices.addresses import Reach
from api.notices.backoff import JITTER, longest_pause_s, pause_s, tries_for_s
from api.notices.sender import Sender
from api.notices.sending import NotDeliveredError
from api.service.settings import Settings
from api.store.subscriptions import new_secret

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LOOPBACK = Reach(("127.0.0.1",))


def sent(event, subscription, reach=LOOPBACK, timeout_s=10.0):
    sender = Sender(reach, timeout_s, "https://minfleet.example.com", threads=2)
    anyio.run(sender.send, event, subscription)


def refused(event, subscription, **more):
    with pytest.raises(NotDeliveredError) as caught:
        sent(event, subscription, **more)
    assert "SECRET-PATH" not in str(caught.value)
    return caught.value


def test_a_webhook_is_signed_and_carries_the_event(receiver, subscription, event):
    secret = receiver.secret = new_secret()
    sent(event, subscription("webhook", receiver.url, secret))
    (taken,) = receiver.taken
    assert taken["headers"]["webhook-id"] == "event-7"
    assert taken["headers"]["host"] == f"127.0.0.1:{receiver.port}"
    body = taken["body"]
    assert body["type"] == "catalog.held"
    assert body["timestamp"] == event.created_at.isoformat()
    assert body["data"]["document"] == event.document
    assert body["data"]["url"] == "https://minfleet.example.com/prices"


def test_another_secret_does_not_verify_it(receiver, subscription, event):
    sent(event, subscription("webhook", receiver.url, new_secret()))
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(b"{}", receiver.taken[0]["headers"])


def test_a_chat_gets_text_and_blocks_without_markup(receiver, subscription, event):
    sent(event, subscription("slack", receiver.url))
    body = receiver.taken[0]["body"]
    assert body["text"].startswith("gpuhunt: new prices wait for a person")
    assert "&lt;b&gt;40 %&lt;/b&gt;" in body["text"]
    assert [b["type"] for b in body["blocks"]] == ["header", "section", "context"]


def test_user_and_password_of_a_url_are_sent_as_such(receiver, subscription, event):
    sent(event, subscription("slack", receiver.url.replace("://", "://ops:pass%20word@")))
    assert receiver.taken[0]["headers"]["authorization"] == "Basic b3BzOnBhc3Mgd29yZA=="


@pytest.mark.parametrize("mood", [301, 400, 410, 429, 500])
def test_an_answer_that_is_no_yes(receiver, subscription, event, mood):
    receiver.mood = mood
    receiver.headers = {"Location": "http://169.254.169.254/", "Retry-After": "17"}
    error = refused(event, subscription("slack", receiver.url))
    assert str(mood) in str(error)
    assert error.final == (mood == 410)
    assert error.wanted_s == (17 if mood in (400, 429, 500) else None)
    assert receiver.tries == {str(mood): 1}, "redirects are not followed"


def test_a_receiver_that_says_nothing(receiver, subscription, event):
    receiver.mood = "slow"
    error = refused(event, subscription("slack", receiver.url), timeout_s=0.2)
    assert str(error).endswith("within 0.2 s.")


def test_a_receiver_that_is_not_there(receiver, subscription, event):
    target = subscription("slack", receiver.url)
    receiver.stop()
    receiver_said = str(refused(event, target))
    receiver.start()
    assert receiver_said == "127.0.0.1 could not be reached (connection refused)."


def test_the_address_is_looked_at_when_something_is_sent(
    receiver, subscription, event, monkeypatch
):
    """A name that was public when it was subscribed and leads inside now is refused."""

    async def rebound(host, port):
        return [ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr(post, "resolve", rebound)
    target = subscription("slack", f"http://hooks.example.com:{receiver.port}/SECRET-PATH")
    assert "no public address" in str(refused(event, target, reach=Reach()))
    assert receiver.tries == {}
    sent(event, target, reach=Reach(("hooks.example.com",)))
    assert receiver.taken[0]["headers"]["host"] == f"hooks.example.com:{receiver.port}"


class Mailbox:
    """Takes e-mail, or refuses it."""

    def __init__(self):
        self.taken, self.answer = [], "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answer.startswith("250"):
            self.taken.append(envelope)
        return self.answer


@pytest.fixture
def mailbox():
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box.port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


def test_e_mail_through_an_smtp_server(mailbox, subscription, event):
    target = f"mailto://127.0.0.1:{mailbox.port}?from=minfleet@example.com&to=ops@example.com"
    sent(event, subscription("email", target))
    (mail,) = mailbox.taken
    mailbox.answer = "554 no room"
    assert "554" in str(refused(event, subscription("email", target)))
    assert mail.rcpt_tos == ["ops@example.com"]
    said = mail.content.decode()
    assert "Subject: gpuhunt: new prices wait for a person" in said
    assert "event-7" in said
    assert 'Content-Type: text/plain; charset="utf-8"' in said
    assert not logging.getLogger("apprise").propagate, "it logs targets"


def test_a_mail_server_inside_needs_a_setting(mailbox, subscription, event):
    target = f"mailto://127.0.0.1:{mailbox.port}?from=a@example.com&to=b@example.com"
    error = refused(event, subscription("email", target), reach=Reach())
    assert "no public address" in str(error)
    assert mailbox.taken == []


@unhurried
@given(
    st.integers(1, 200),
    st.floats(0.01, 1e3),
    st.floats(0.01, 1e5),
    st.none() | st.floats(0, 1e9),
    st.integers(),
)
def test_pauses_stay_within_bounds(attempt, first_s, longest_s, wanted_s, seed):
    pause = pause_s(attempt, first_s, longest_s, wanted_s=wanted_s, chance=random.Random(seed))
    doubled = min(longest_s, first_s * 2 ** min(attempt - 1, 60))
    assert doubled * (1 - JITTER) <= pause <= longest_pause_s(longest_s)
    if wanted_s is not None:
        assert pause >= min(wanted_s, longest_s)


def test_the_defaults_try_for_two_days():
    """5 + 10 + … + 5·2^12 = 5·(2^13 − 1) = 40,955 s, then six pauses of 21,600 s: 47.4 h."""
    settings = Settings(store_url="sqlite:///unused.db")
    lasts = tries_for_s(
        settings.notify_attempts, settings.notify_pause_s, settings.notify_max_pause_s
    )
    assert lasts == 40_955 + 6 * 21_600
