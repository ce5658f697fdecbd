"""Random histories of a ledger: what is asked, how it is answered, and how time passes or jumps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from hypothesis import strategies as st

from fetcher.model import Purpose, Quota
from fetcher.outcome import Throttled
from fetcher.ports import Ask, Bill
from fetcher.wire import Resource
from tests.unit.budget.swarm import START


def ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


@dataclass(frozen=True)
class Settle:
    """Settle one of the open grants; a reset is in ms since ``START``."""

    which: int
    points: int
    seconds: float
    attempts: int
    quota: tuple[int, int, int] | None
    """Limit, remaining and reset."""
    throttled: tuple[int | None, int | None] | None
    """``retry_after`` and ``reset_at``."""

    def bill(self) -> Bill:
        quota = throttled = None
        if self.quota is not None:
            limit, remaining, reset = self.quota
            quota = Quota("", limit, min(limit, remaining), START + ms(reset))
        if self.throttled is not None:
            retry_after, reset_at = self.throttled
            throttled = Throttled(
                "slow down",
                None if retry_after is None else ms(retry_after),
                None if reset_at is None else START + ms(reset_at),
            )
        return Bill(self.points, self.seconds, self.attempts, quota, throttled)


Event: TypeAlias = Ask | Settle | int
"""To ask, to settle, or to let so many ms pass."""

_RESETS = [3_600_000, 3_600_000, 3_600_000, 3_603_000, 3_597_000, 3_605_000, 7_200_000, 900_000, -900_000, 40_000_000]


def asks() -> st.SearchStrategy[Ask]:
    github = st.sampled_from([Resource.CORE, Resource.GRAPHQL])
    common = st.builds(
        Ask, st.just("octo"), github, st.sampled_from(Purpose), st.just(1), st.sampled_from([0.0, 0.1, 1.0, 3.5])
    )
    rare = st.builds(
        Ask,
        st.sampled_from(["octo", "anonymous"]),
        st.sampled_from(Resource),
        st.sampled_from(Purpose),
        st.sampled_from([1, 7, 600]),
        st.sampled_from([0.0, 1.0, 20.0]),
    )
    return st.one_of(common, common, common, rare)


def settlements() -> st.SearchStrategy[Settle]:
    quota = st.tuples(st.sampled_from([5_000, 5_000, 5_000, 60]), st.integers(0, 5_000), st.sampled_from(_RESETS))
    common = st.builds(
        Settle,
        st.integers(0, 50),
        st.just(1),
        st.sampled_from([0.0, 0.05, 0.3, 2.0]),
        st.sampled_from([1, 1, 1, 3, 200]),
        st.one_of(st.none(), st.tuples(st.just(5_000), st.integers(4_000, 5_000), st.just(3_600_000)), quota),
        st.none(),
    )
    throttled = st.tuples(
        st.sampled_from([None, 0, 10_000, 90_000, 10**12]), st.one_of(st.none(), st.sampled_from(_RESETS))
    )
    rare = st.builds(
        Settle, st.integers(0, 50), st.integers(0, 3), st.sampled_from([0.1, 12.0, 70.0]), st.just(1), quota, throttled
    )
    return st.one_of(common, common, common, common, common, rare)


def rushes() -> st.SearchStrategy[list[Event]]:
    """Several alike, answered at once or left open."""

    def rush(ask: Ask, times: int, settlement: Settle, answered: bool) -> list[Event]:  # noqa: FBT001  # drawn
        return [*[ask] * times, *[settlement] * (times if answered else 0)]

    return st.builds(rush, asks(), st.integers(1, 30), settlements(), st.booleans())


def pauses() -> st.SearchStrategy[int]:
    """Mostly forwards; now and then a little back, as between two workers' clocks, or an hour either way."""
    common = st.one_of(st.just(0), st.integers(0, 2_000), st.integers(0, 70_000))
    far = st.sampled_from([151_000, 1_800_000, 3_500_000, 3_700_000])
    back = st.sampled_from([-1, -300, -4_999, -5_000, -40_000, -3_600_000])
    return st.one_of(common, common, common, far, back)


def histories() -> st.SearchStrategy[list[Event]]:
    """Begins with a quota that is told, so that not every history is spent on finding out."""
    step = st.one_of(
        rushes(), rushes(), st.builds(lambda a: [a], asks()), st.builds(lambda s: [s], settlements()), _alone()
    )
    opening = st.builds(_opening, st.sampled_from([5_000, 4_600, 300]))
    rest = st.lists(step, min_size=5, max_size=40)
    return st.builds(lambda first, parts: first + [each for part in parts for each in part], opening, rest)


def _alone() -> st.SearchStrategy[list[Event]]:
    return st.builds(lambda pause: [pause], pauses())


def _opening(remaining: int) -> list[Event]:
    told = Settle(0, 1, 0.1, 1, (5_000, remaining, 3_600_000), None)
    probes = [Ask("octo", resource, Purpose.MANUAL) for resource in (Resource.CORE, Resource.GRAPHQL)]
    return [probes[0], told, probes[1], told]
