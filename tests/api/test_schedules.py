"""Due times: cron as Debian reads it, over changes of clocks; what cannot be read is refused."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schedules import check_times, next_due, next_time
from data.errors import InputError

BERLIN = ZoneInfo("Europe/Berlin")


def times(expression, after, count, zone="Europe/Berlin"):
    """Return so many following times, in the time of that zone."""
    found = []
    for _ in range(count):
        after = next_time(expression, zone, after)
        found.append(after.astimezone(ZoneInfo(zone)).strftime("%a %d %H:%M %z"))
    return found


def test_a_time_of_day_stays_one_over_the_change_of_clocks():
    # Berlin puts its clocks forward on 2026-03-29 and back on 2026-10-25.
    before = dt.datetime(2026, 3, 28, 12, tzinfo=BERLIN)
    assert times("0 6 * * *", before, 2) == ["Sun 29 06:00 +0200", "Mon 30 06:00 +0200"]
    before = dt.datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert times("0 6 * * *", before, 2) == ["Sun 25 06:00 +0100", "Mon 26 06:00 +0100"]


def test_a_time_that_is_left_out_comes_right_after():
    before = dt.datetime(2026, 3, 28, 12, tzinfo=BERLIN)
    assert times("30 2 * * *", before, 2) == ["Sun 29 03:00 +0200", "Mon 30 02:30 +0200"]


def test_a_time_that_is_there_twice_comes_once():
    before = dt.datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert times("30 2 * * *", before, 2) == ["Sun 25 02:30 +0200", "Mon 26 02:30 +0100"]


def test_each_hour_is_an_hour_after_the_one_before():
    before = dt.datetime(2026, 10, 25, 1, 10, tzinfo=BERLIN)
    assert times("30 * * * *", before, 4) == [
        "Sun 25 01:30 +0200",
        "Sun 25 02:30 +0200",
        "Sun 25 02:30 +0100",
        "Sun 25 03:30 +0100",
    ]


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday_is_what_cron_says(sunday):
    before = dt.datetime(2026, 11, 4, tzinfo=dt.UTC)
    assert times(f"0 6 * * {sunday}", before, 1, "UTC") == ["Sun 08 06:00 +0000"]


def test_a_day_of_the_month_beside_one_of_the_week_means_either():
    before = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)  # a Tuesday
    found = times("0 6 13 * mon", before, 3, "UTC")
    assert found == ["Fri 13 06:00 +0000", "Mon 16 06:00 +0000", "Mon 23 06:00 +0000"]


def test_prices_alone_have_no_time():
    schedule = {"cron": None, "timezone": "UTC", "on": "price_change"}
    assert next_due(schedule, dt.datetime.now(dt.UTC)) is None
    assert next_due({}, dt.datetime.now(dt.UTC)) is None


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("61 * * * *", "UTC", "bad minute"),
        ("0 6 * *", "UTC", "wrong number of fields"),
        ("@daily", "UTC", "write five fields"),
        ("0 6 * * ²", "UTC", "holds what no expression has"),
        ("0 " * 200, "UTC", "holds what no expression has"),
        ("0 0 30 2 *", "UTC", "bad day-of-month"),
        ("0 6 * * *", "Berlin", "timezone: 'Berlin' is not known"),
        ("0 6 * * *", "../etc/passwd", "is not known"),
        ("0 6 * * *", "", "is not known"),
        (None, "Mars/Olympus", "is not known"),
    ],
)
def test_what_cannot_be_read_is_refused(expression, zone, said):
    with pytest.raises(InputError, match=said):
        check_times(expression, zone)


FIELDS = [st.integers(0, 59), st.integers(0, 23), st.integers(1, 28), st.integers(1, 12)]


@given(
    st.tuples(*(st.one_of(st.just("*"), field.map(str)) for field in [*FIELDS, st.integers(0, 7)])),
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_the_next_time_is_later_and_the_same_whenever_it_is_asked(fields, moment, zone):
    expression, moment = " ".join(fields), moment.replace(tzinfo=dt.UTC)
    found = next_time(expression, zone, moment)
    assert found > moment
    assert found.second == 0
    between = moment + (found - moment) / 2
    assert next_time(expression, zone, between) == found
