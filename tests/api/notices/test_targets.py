"""Targets: what may be subscribed, and that nothing of their secrets is shown."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.notices import targets
from api.notices.addresses import Reach, is_public
from api.notices.targets import checked, masked, without_secrets
from api.service.settings import Settings
from data.errors import InputError

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOWHERE = Reach()
LOOPBACK = Reach(("127.0.0.0/8",))
PUBLIC = [ipaddress.ip_address("93.184.216.34")]


@pytest.fixture
def names(monkeypatch):
    """Names of hosts → address; others are not known."""
    known = {}
    literal = targets.resolve_now

    def resolve(host):
        return [ipaddress.ip_address(known[host])] if host in known else literal(host)

    monkeypatch.setattr(targets, "resolve_now", resolve)
    return known


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fc00::1", "::"),
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "fd00:ec2::254", "ff02::1"),
    ],
)
def test_private_addresses_are_refused_however_they_are_written(address):
    """169.254.169.254 and fd00:ec2::254 are metadata services; 64:ff9b::a00:1 is 10.0.0.1."""
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(InputError, match="no public address"):
        checked("webhook", f"https://{host}/x", NOWHERE)


@unhurried
@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_in_ipv6(address):
    for written in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(ipaddress.ip_address(written)) == is_public(address)


def test_a_name_is_looked_up(names):
    names["metadata.example.com"] = "169.254.169.254"
    names["hooks.example.com"] = "93.184.216.34"
    with pytest.raises(InputError, match=r"metadata\.example\.com is at 169\.254\.169\.254"):
        checked("webhook", "https://metadata.example.com/x", NOWHERE)
    assert checked("webhook", " https://hooks.example.com/x\n", NOWHERE)
    by_name = Reach(("metadata.example.com",))
    assert checked("webhook", "https://metadata.example.com/x", by_name)


def test_http_needs_loopback_or_a_setting(names):
    names["hooks.example.com"] = "93.184.216.34"
    assert checked("webhook", "http://127.0.0.1:8000/x", LOOPBACK)
    with pytest.raises(InputError, match="use https"):
        checked("webhook", "http://hooks.example.com/x", LOOPBACK)
    with pytest.raises(InputError, match="use https"):
        checked("webhook", "http://not-known.invalid/x", NOWHERE)
    assert checked("slack", "http://hooks.example.com/x", Reach(plain_http=True))


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("webhook", "ftp://hooks.example.com/x", "https://"),
        ("webhook", "hooks.example.com", "https://"),
        ("webhook", "https://[half/x", "not a URL"),
        ("webhook", "https://a.example.com/x y", "spaces"),
        ("webhook", "", "1 to 2,000"),
        ("email", "ops@example.com", "mailtos://USER"),
        ("email", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "e-mail needs"),
        ("apprise", "syslog://", "nobody but this server"),
        ("apprise", "json://10.0.0.1/x", "kind 'webhook'"),
        ("apprise", "nonsense://x", "cannot read"),
        ("apprise", "ntfy://10.0.0.1/topic", "no public address"),
        ("email", "mailto://10.0.0.1?from=a@example.com&to=b@example.com", "no public address"),
    ],
)
def test_what_is_no_target_is_refused(kind, target, said):
    with pytest.raises(InputError, match=said):
        checked(kind, target, NOWHERE)


SECRETS = [
    ("webhook", "https://user:hunter22@a.example.com:8443/token-abc?key=token-def"),
    ("slack", "https://hooks.slack.com/services/T0001/B0002/token-abc"),
    ("email", "mailtos://minfleet:hunter22@smtp.example.com?to=ops@example.com"),
    ("apprise", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"),
]


@pytest.mark.parametrize(("kind", "target"), SECRETS)
def test_nothing_secret_is_shown(kind, target):
    for secret in (
        "hunter22",
        "token-abc",
        "token-def",
        "T0001",
        "T1JJ3T3L2",
        "TIiajkdnlazkcOXrIdevi7FQ",
    ):
        assert secret not in masked(kind, target)
        if secret in target:
            said = f"could not send to {target}: {secret}"
            assert secret not in without_secrets(said, target)


def test_enough_is_shown_to_tell_them_apart():
    shown = [masked(kind, target) for kind, target in SECRETS]
    assert shown == [
        "https://a.example.com:8443/…",
        "https://hooks.slack.com/…",
        "mailtos://smtp.example.com to ops@example.com",
        "slack://…",
    ]


URLS = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["https", "http", "mailto", "mailtos", "slack", "ntfy", "discord"]),
    st.text("ab.:@[]%0-_é{}", max_size=80),
    st.text("/?=&#ab%é{}", max_size=20),
)


@settings(unhurried, max_examples=60)
@given(st.sampled_from(["webhook", "slack", "email", "apprise"]), URLS | st.text(max_size=100))
def test_whatever_is_given_is_taken_or_refused_in_a_sentence(kind, target):
    kept, said = target, ""
    try:
        kept = checked(kind, target, Reach(plain_http=True))
    except InputError as error:
        said = str(error)
    if said:
        assert said.startswith("target: ")
    else:
        assert "://" in masked(kind, kept)
        without_secrets("text", kept)


@pytest.mark.parametrize(
    ("chosen", "allowed"),
    [({}, True), ({"require_keys": True}, False), ({"host": "0.0.0.0"}, False)],
)
def test_this_machine_is_reached_where_whoever_asks_is_on_it(chosen, allowed):
    reach = Reach.of(Settings(store_url="sqlite:///unused.db", **chosen))
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert reach.permits("here", ipaddress.ip_address(address)) == allowed
    assert not reach.permits("metadata", ipaddress.ip_address("169.254.169.254"))
    assert not reach.permits("office", ipaddress.ip_address("10.1.2.3"))
