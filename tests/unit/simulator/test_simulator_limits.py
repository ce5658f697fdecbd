"""GitHub's limits, counted exactly."""

from datetime import datetime, timedelta

import pytest

from fetcher.simulator.upstreams.github.limits import Form, Ledger, Limits, Reason, Resource, whole_seconds
from tests.harness.clock import NOW, SECOND

CORE, GRAPHQL = Resource.CORE, Resource.GRAPHQL


def run_query(
    ledger: Ledger, now: datetime, *, resource: Resource = CORE, took: timedelta = timedelta(0)
) -> Reason | None:
    """Send a complete request of one point; return the reason if it is refused."""
    refusal = ledger.admit("ann", resource, 1, now)
    if refusal is None:
        ledger.charge("ann", resource, 1, now)
        ledger.release("ann", resource, took, now + took)
        return None
    return refusal.reason


@pytest.mark.parametrize(("resource", "allowed"), [(CORE, 900), (GRAPHQL, 2_000)])
def test_points_a_minute(resource: Resource, allowed: int) -> None:
    """Exactly so many requests fit into any minute, and again once they are older than one."""
    ledger = Ledger(Limits())

    assert [run_query(ledger, NOW, resource=resource) for _ in range(allowed)] == [None] * allowed
    assert run_query(ledger, NOW + 59 * SECOND, resource=resource) is Reason.POINTS
    assert run_query(ledger, NOW + 119 * SECOND, resource=resource) is None


def test_the_primary_quota_and_its_reset() -> None:
    """5,000 an hour and not one more; the hour starts with the first request and refills at its end."""
    ledger = Ledger(Limits(rest_points_per_minute=10_000))

    assert all(run_query(ledger, NOW) is None for _ in range(5_000))
    assert ledger.standing("ann", CORE, NOW).remaining == 0
    assert run_query(ledger, NOW + SECOND) is Reason.PRIMARY
    assert run_query(ledger, NOW + SECOND, resource=GRAPHQL) is None
    assert run_query(ledger, NOW + timedelta(hours=1)) is None
    assert ledger.standing("ann", CORE, NOW + timedelta(hours=1)).used == 1


def test_a_query_above_the_rest_costs_nothing() -> None:
    """The quota never goes below zero, and the refusal counts as a rate-limit response."""
    ledger = Ledger(Limits(graphql_per_hour=10))

    assert ledger.charge("ann", GRAPHQL, 8, NOW)
    assert not ledger.charge("ann", GRAPHQL, 3, NOW)
    assert ledger.standing("ann", GRAPHQL, NOW).remaining == 2
    assert run_query(ledger, NOW + SECOND, resource=GRAPHQL) is Reason.PRIMARY


def test_requests_in_flight() -> None:
    """100 at once, REST and GraphQL together; the 101st is refused."""
    ledger = Ledger(Limits())
    for number in range(100):
        assert ledger.admit("ann", CORE if number % 2 else GRAPHQL, 1, NOW) is None

    refusal = ledger.admit("ann", CORE, 1, NOW)
    assert refusal is not None
    assert refusal.reason is Reason.IN_FLIGHT
    assert ledger.in_flight() == 100


def test_response_seconds() -> None:
    """60 seconds of GraphQL in a minute shut GraphQL, 90 of both shut everything."""
    ledger = Ledger(Limits())
    for number in range(61):
        assert run_query(ledger, NOW + number * timedelta(milliseconds=1), resource=GRAPHQL, took=SECOND) is None
    assert run_query(ledger, NOW + SECOND) is None
    assert run_query(ledger, NOW + SECOND, resource=GRAPHQL) is Reason.SECONDS

    both = Ledger(Limits())
    for _ in range(31):
        assert run_query(both, NOW, took=3 * SECOND) is None
    assert run_query(both, NOW + 4 * SECOND) is Reason.SECONDS


def test_requests_during_a_pause() -> None:
    """A request already sent at the time of the refusal is excused; a later one is not."""
    limits = Limits(rest_points_per_minute=1)
    ledger = Ledger(limits)
    assert run_query(ledger, NOW) is None
    message = ledger.admit("ann", CORE, 1, NOW)
    excused = ledger.admit("ann", CORE, 1, NOW + limits.notice)
    blamed = ledger.admit("ann", GRAPHQL, 1, NOW + SECOND)

    assert [refusal and refusal.again for refusal in (message, excused, blamed)] == [False, False, True]
    assert ledger.admit("bob", CORE, 1, NOW + SECOND) is None


def test_a_compressed_hour_shrinks_every_window() -> None:
    """With an hour of 36 s a minute lasts 0.6 s, its seconds shrink, and ``retry-after`` stays an integer."""
    limits = Limits(hour=timedelta(seconds=36), rest_points_per_minute=2)
    ledger = Ledger(limits)
    assert [run_query(ledger, NOW) for _ in range(3)] == [None, None, Reason.POINTS]
    assert run_query(ledger, NOW + timedelta(milliseconds=600)) is None
    assert whole_seconds(NOW + limits.minute, NOW) == 1

    busy = Ledger(limits)
    assert run_query(busy, NOW, took=SECOND) is None
    assert run_query(busy, NOW + SECOND) is Reason.SECONDS


def test_without_enforcement_nothing_is_refused_or_charged() -> None:
    """With ``--no-limits`` the headers still report a full quota."""
    ledger = Ledger(Limits(core_per_hour=1, rest_points_per_minute=1, enforced=False))

    assert [run_query(ledger, NOW) for _ in range(10)] == [None] * 10
    assert ledger.standing("ann", CORE, NOW).remaining == 1


@pytest.mark.parametrize(("resource", "more"), [(CORE, []), (GRAPHQL, [Form(200, True)])])
def test_refusals_take_their_forms_in_turn(resource: Resource, more: list[Form]) -> None:
    """Each status occurs, with and without the seconds to wait, in one order; 200 only for GraphQL."""
    ledger = Ledger(Limits(in_flight=0))
    forms = [Form(403, True), Form(429, True), Form(403, False), Form(429, False), *more]
    refusals = [ledger.admit(f"user {number}", resource, 1, NOW) for number in range(len(forms) + 1)]

    assert [refusal and refusal.form for refusal in refusals] == [*forms, forms[0]]
