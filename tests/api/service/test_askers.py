"""A job is given up by the last who wants it, and never for what is not known."""

from __future__ import annotations

from api.service import askers
from api.service.askers import Askers


def test_the_last_one_to_leave_gives_it_up():
    wanted = Askers()
    for _ in range(3):
        wanted.add("a")
    assert [wanted.leave("a") for _ in range(4)] == [False, False, True, False]


def test_what_was_forgotten_is_not_given_up(monkeypatch):
    monkeypatch.setattr(askers, "MOST", 2)
    wanted = Askers()
    for job in "abc":
        wanted.add(job)
    assert not wanted.leave("a")
    assert wanted.leave("b")
