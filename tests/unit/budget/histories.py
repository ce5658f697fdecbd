"""Random histories of a ledger: what is asked, how it is answered, and how time passes or jumps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

from fetcher.model import Purpose, Quota
from fetcher.outcome import Throttled
from fetcher.ports import Ask, Bill
from fetcher.wire import Resource


def ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


@dataclass(frozen=True)
class Settle:
    """Settle one of the open grants. Times are ms from the moment of settling."""

    which: int
    points: int
    seconds: float
    attempts: int
    quota: tuple[int, int, int] | None
    """Limit, remaining and reset."""
    throttled: tuple[int | None, int | None] | None
    """``retry_after`` and ``reset_at``."""

    def bill(self, now: datetime) -> Bill:
        quota = throttled = None
        if self.quota is not None:
            limit, remaining, reset = self.quota
            quota = Quota("", limit, min(limit, remaining), now + ms(reset))
        if self.throttled is not None:
            retry_after, reset_at = self.throttled
            throttled = Throttled(
                "slow down",
                None if retry_after is None else ms(retry_after),
                None if reset_at is None else now + ms(reset_at),
            )
        return Bill(self.points, self.seconds, self.attempts, quota, throttled)


def asks() -> st.SearchStrategy[Ask]:
    return st.builds(
        Ask,
        st.sampled_from(["octo", "anonymous"]),
        st.sampled_from(Resource),
        st.sampled_from(Purpose),
        st.sampled_from([1, 1, 1, 7, 600]),
        st.sampled_from([0.0, 0.1, 1.0, 3.5, 20.0]),
    )


def settlements() -> st.SearchStrategy[Settle]:
    reset = st.sampled_from([3_600_000, 3_000_000, 1_000_000, 4_000, 1_000, -3_000, -900_000, 7_300_000])
    quota = st.tuples(st.sampled_from([5_000, 5_000, 60, 12_500]), st.integers(0, 12_500), reset)
    retry_after = st.sampled_from([None, 0, 30_000, 90_000, 10**12])
    throttled = st.tuples(retry_after, st.one_of(st.none(), reset))
    return st.builds(
        Settle,
        st.integers(0, 50),
        st.integers(0, 3),
        st.sampled_from([0.0, 0.05, 0.3, 2.0, 12.0, 70.0]),
        st.sampled_from([1, 1, 3, 200]),
        st.one_of(quota, quota, st.none()),
        st.one_of(st.none(), st.none(), st.none(), throttled),
    )


def pauses() -> st.SearchStrategy[int]:
    """Mostly forwards; now and then a little back, as between two workers' clocks, or an hour either way."""
    return st.one_of(
        st.integers(0, 2_000),
        st.sampled_from([10_000, 31_000, 61_000, 151_000, 1_800_000, 3_700_000]),
        st.sampled_from([-1, -300, -4_999, -5_000, -40_000, -3_600_000]),
    )


def histories() -> st.SearchStrategy[list[Ask | Settle | int]]:
    crowd = asks().flatmap(lambda ask: st.integers(1, 20).map(lambda times: [ask] * times))
    steps = st.one_of(
        crowd, asks().map(lambda ask: [ask]), settlements().map(lambda s: [s]), pauses().map(lambda p: [p])
    )
    return st.lists(steps, max_size=60).map(lambda parts: [step for part in parts for step in part])
