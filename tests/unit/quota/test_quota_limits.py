"""The ledger's arithmetic: limits, shares, pace and back-off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import Purpose
from fetcher.quota.account import account_name, identity_of, upstream_of
from fetcher.quota.limits import (
    affordable_at,
    backoff,
    effective_limits,
    from_ms,
    to_ms,
)
from fetcher.upstreams.github.limits import GITHUB, POLICY, Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.unit.quota.swarm import START

HOUR = 3_600_000
RESET = to_ms(START) + HOUR
BACKGROUND = effective_limits(POLICY, Resource.CORE, Purpose.BACKGROUND, "octo")
MANUAL = effective_limits(POLICY, Resource.CORE, Purpose.MANUAL, "octo")


def test_the_documented_limits_and_their_shares() -> None:
    """Give manual requests 95 % of points and slots and 99 % of seconds, background requests 90 % and 95 %."""
    graphql = effective_limits(POLICY, Resource.GRAPHQL, Purpose.BACKGROUND, "octo")
    assert (MANUAL.points, MANUAL.in_flight, MANUAL.total_ms, MANUAL.resource_ms) == (855, 95, 89_100, 0)
    assert (BACKGROUND.points, BACKGROUND.in_flight, BACKGROUND.total_ms) == (810, 90, 85_500)
    assert (graphql.points, graphql.resource_ms, graphql.primary) == (1_800, 57_000, 5_000)


def test_an_hour_can_be_compressed() -> None:
    """Compress every window and pause of the upstream; counts and our own machines' durations stay."""
    minute = POLICY.scaled(1 / 60)
    assert (minute.hour, minute.window, minute.pause) == (timedelta(minutes=1), *[timedelta(seconds=1)] * 2)
    assert (minute.seconds, minute.resource(Resource.GRAPHQL).seconds) == (1.5, 1.0)
    assert (minute.resource(Resource.CORE).points, minute.in_flight, minute.skew) == (900, 100, timedelta(seconds=5))


@given(st.datetimes(timezones=st.just(START.tzinfo)))
def test_moments_survive_their_conversion_to_milliseconds(moment: object) -> None:
    """Convert a time in full milliseconds to an integer and back without a change."""
    ms = to_ms(moment)  # type: ignore[arg-type]  # hypothesis knows the zone, not mypy
    assert to_ms(from_ms(ms)) == ms


@pytest.mark.parametrize("identity", ["octo", "app/12345", "anonymous@::1", "odd{name}"])
def test_an_account_names_its_identity(identity: str) -> None:
    """Give each upstream an account, and read identity and upstream off its name."""
    assert account_name(identity, GITHUB) != account_name(identity, PYPI)
    for upstream in (GITHUB, PYPI, "git.example:8443"):
        name = account_name(identity, upstream)
        assert (identity_of(name), upstream_of(name)) == (identity, upstream)


@given(left=st.integers(-10, 5_000), elapsed=st.integers(0, HOUR))
def test_pace_and_promise_agree(left: int, elapsed: int) -> None:
    """Name the first moment at which the same request is affordable, never later than the reset."""
    now = RESET - HOUR + elapsed
    until = affordable_at(left, 5_000, RESET, now, BACKGROUND)
    assert until <= RESET + BACKGROUND.grace
    if now < until <= RESET:
        assert affordable_at(left, 5_000, RESET, until, BACKGROUND) <= until
        assert affordable_at(left, 5_000, RESET, until - 1, BACKGROUND) > until - 1


@given(elapsed=st.integers(0, HOUR))
def test_the_background_always_leaves_the_manual_share(elapsed: int) -> None:
    """Keep at least the manual share of the remaining window, whatever the moment."""
    now = RESET - HOUR + elapsed
    kept = next(left for left in range(5_001) if affordable_at(left, 5_000, RESET, now, BACKGROUND) <= now)
    assert kept >= 5_000 * max(0.10 * (1 - elapsed / HOUR), 0.01)
    assert affordable_at(0, 5_000, RESET, now, MANUAL) == now


def test_a_tenth_at_once_and_all_but_a_hundredth_by_the_reset() -> None:
    """Open the window with 500 of 5,000 points and keep 50 at its end."""
    opening = RESET - HOUR
    assert affordable_at(4_500, 5_000, RESET, opening, BACKGROUND) <= opening
    assert affordable_at(4_499, 5_000, RESET, opening, BACKGROUND) > opening
    assert affordable_at(50, 5_000, RESET, RESET - 1, BACKGROUND) <= RESET - 1
    assert affordable_at(49, 5_000, RESET, RESET - 1, BACKGROUND) == RESET + 2_000


def test_the_back_off_doubles_to_an_hour() -> None:
    """Double the pause from a minute to an hour, however many failures there are."""
    assert [backoff(failures, BACKGROUND) // 1000 for failures in (1, 2, 3, 7, 1_000)] == [60, 120, 240, 3600, 3600]
