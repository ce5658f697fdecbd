"""Random histories of a ledger: reservations, settlements, and time that passes or jumps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from hypothesis import strategies as st

from fetcher.domain.model import Purpose, ReportedQuota
from fetcher.quota import Pause, PauseCause, QuotaRequest, Usage
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.unit.quota.swarm import START


def ms(milliseconds: int) -> timedelta:
    """Return a duration of full milliseconds."""
    return timedelta(milliseconds=milliseconds)


@dataclass(frozen=True)
class Settle:
    """A settlement of one of the open reservations; a reset is in ms since ``START``."""

    which: int
    points: int
    seconds: float
    attempts: int
    quota: tuple[int, int, int] | None
    """Limit, remaining and reset."""
    pause: tuple[PauseCause, int | None, int | None] | None
    """Cause, ``retry_after`` and ``reset_at``."""

    def usage(self) -> Usage:
        """Return the usage that is settled."""
        quota = pause = None
        if self.quota is not None:
            limit, remaining, reset = self.quota
            quota = ReportedQuota("", limit, min(limit, remaining), START + ms(reset))
        if self.pause is not None:
            cause, retry_after, reset_at = self.pause
            pause = Pause(
                cause,
                "slow down",
                None if retry_after is None else ms(retry_after),
                None if reset_at is None else START + ms(reset_at),
            )
        return Usage(self.points, self.seconds, self.attempts, quota, pause)


Event: TypeAlias = QuotaRequest | Settle | int
"""A reservation, a settlement, or milliseconds that pass."""

_RESETS = [3_600_000, 3_600_000, 3_600_000, 3_603_000, 3_597_000, 3_605_000, 7_200_000, 900_000, -900_000, 40_000_000]


def requests() -> st.SearchStrategy[QuotaRequest]:
    github = st.sampled_from([Resource.CORE, Resource.GRAPHQL])
    common = st.builds(
        QuotaRequest,
        st.just("octo"),
        st.just(GITHUB),
        github,
        st.sampled_from(Purpose),
        st.just(1),
        st.sampled_from([0.0, 0.1, 1.0, 3.5]),
    )
    rare = [
        st.builds(
            QuotaRequest,
            st.sampled_from(["octo", "anonymous"]),
            st.just(upstream),
            st.sampled_from(resources),
            st.sampled_from(Purpose),
            st.sampled_from([1, 7, 600]),
            st.sampled_from([0.0, 1.0, 20.0]),
        )
        for upstream, resources in ((GITHUB, list(Resource)), (PYPI, [PYPI]))
    ]
    return st.one_of(common, common, common, *rare)


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
    pause = st.tuples(
        st.sampled_from(PauseCause),
        st.sampled_from([None, 0, 10_000, 90_000, 10**12]),
        st.one_of(st.none(), st.sampled_from(_RESETS)),
    )
    rare = st.builds(
        Settle, st.integers(0, 50), st.integers(0, 3), st.sampled_from([0.1, 12.0, 70.0]), st.just(1), quota, pause
    )
    return st.one_of(common, common, common, common, common, rare)


def rushes() -> st.SearchStrategy[list[Event]]:
    """Draw several equal requests, settled at once or left open."""

    def rush(request: QuotaRequest, times: int, settlement: Settle, answered: bool) -> list[Event]:  # noqa: FBT001  # drawn
        return [*[request] * times, *[settlement] * (times if answered else 0)]

    return st.builds(rush, requests(), st.integers(1, 30), settlements(), st.booleans())


def pauses() -> st.SearchStrategy[int]:
    """Draw mostly steps forward; sometimes a little back, as between workers' clocks, or an hour either way."""
    common = st.one_of(st.just(0), st.integers(0, 2_000), st.integers(0, 70_000))
    far = st.sampled_from([151_000, 1_800_000, 3_500_000, 3_700_000])
    back = st.sampled_from([-1, -300, -4_999, -5_000, -40_000, -3_600_000])
    return st.one_of(common, common, common, far, back)


def histories() -> st.SearchStrategy[list[Event]]:
    """Draw histories that begin with a reported quota, so that few are spent on probing."""
    step = st.one_of(rushes(), rushes(), _one(requests()), _one(settlements()), _one(pauses()))
    opening = st.builds(_opening, st.sampled_from([5_000, 4_600, 300]))
    rest = st.lists(step, min_size=5, max_size=40)
    return st.builds(lambda first, parts: first + [each for part in parts for each in part], opening, rest)


def _one(events: st.SearchStrategy[Event]) -> st.SearchStrategy[list[Event]]:
    return events.map(lambda event: [event])


def _opening(remaining: int) -> list[Event]:
    reported = Settle(0, 1, 0.1, 1, (5_000, remaining, 3_600_000), None)
    probes = [QuotaRequest("octo", GITHUB, resource, Purpose.MANUAL) for resource in (Resource.CORE, Resource.GRAPHQL)]
    return [probes[0], reported, probes[1], reported]
