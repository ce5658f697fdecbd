"""A quota of any hour that no response reports, against an upstream that counts the requests as they arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.domain.model import Purpose
from fetcher.quota import MemoryQuota, QuotaPolicy, QuotaRequest, Reservation, RetryAt, Usage
from fetcher.quota.account import Account, Meter, Step
from fetcher.quota.encoding import decode, encode
from fetcher.quota.limits import ResourceLimits, effective_limits, from_ms, to_ms
from fetcher.quota.recovery import recover
from fetcher.simulator.windows import SlidingWindow
from tests.harness.clock import NOW
from tests.harness.examples import examples

API, GIT = "api", "git"
LIMIT = 20
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
POLICY = QuotaPolicy(
    (ResourceLimits(API, points=10**6, rolling=LIMIT), ResourceLimits(GIT, points=10**6)), in_flight=10**3
)
BACKGROUND = effective_limits(POLICY, API, Purpose.BACKGROUND, "anonymous")


def request(purpose: Purpose = Purpose.BACKGROUND, resource: str = API) -> QuotaRequest:
    return QuotaRequest("anonymous", "a", resource, purpose)


@dataclass
class Worker:
    """A client of one upstream, which checks the arrival of each request. Times are since ``NOW``."""

    quota: MemoryQuota = field(default_factory=lambda: MemoryQuota({"a": POLICY}))
    upstream: SlidingWindow = field(default_factory=lambda: SlidingWindow(LIMIT, HOUR))
    now: datetime = NOW
    admitted: int = 0
    refused: int = 0
    under_way: list[tuple[datetime, Reservation]] = field(default_factory=list)

    async def send(self, purpose: Purpose, late: timedelta, answered: timedelta) -> RetryAt | None:
        """Reserve a request that arrives ``late`` and is settled ``answered`` after that."""
        found = await self.quota.reserve(request(purpose), self.now)
        if isinstance(found, RetryAt):
            return found
        self.now += late
        if self.upstream.admit("us", self.now) is None:
            self.admitted += 1
        else:
            self.refused += 1
        self.under_way.append((self.now + answered, found))
        return None

    async def settle(self, *, everything: bool = False) -> None:
        """Settle the requests whose responses have arrived."""
        due = [one for one in self.under_way if everything or one[0] <= self.now]
        self.under_way = [one for one in self.under_way if one not in due]
        for at, reservation in sorted(due, key=lambda one: one[0]):
            await self.quota.settle(reservation, Usage(1, 1.0), min(at, self.now))


_SPANS = st.one_of(
    st.integers(0, 60).map(lambda seconds: seconds * SECOND),
    st.integers(0, 3_700).map(lambda seconds: seconds * SECOND),
    st.just(HOUR - SECOND),
    st.just(HOUR),
)
_STEPS = st.tuples(
    _SPANS,
    st.integers(1, 25),
    st.sampled_from(Purpose),
    st.sampled_from([timedelta(0), SECOND, 40 * SECOND, 200 * SECOND]),
    st.sampled_from([timedelta(0), SECOND, 100 * SECOND]),
)


@settings(examples(2))
@given(st.lists(_STEPS, min_size=2, max_size=12))
async def test_no_hour_holds_more_than_the_limit(
    steps: list[tuple[timedelta, int, Purpose, timedelta, timedelta]],
) -> None:
    """After idle times, bursts, late arrivals and expired reservations the upstream still refuses nothing."""
    worker = Worker()
    for idle, times, purpose, late, answered in steps:
        worker.now += idle
        await worker.settle()
        for _ in range(times):
            await worker.send(purpose, late, answered)
            await worker.settle()

    assert worker.admitted
    assert worker.refused == 0


async def test_a_burst_at_the_end_of_an_hour_counts_in_the_next() -> None:
    """After a nearly idle hour, a burst uses the hour up; a fixed window would be renewed minutes later."""
    worker = Worker()
    await worker.send(Purpose.MANUAL, timedelta(0), timedelta(0))
    await worker.settle()
    worker.now += HOUR - 2 * SECOND
    for _ in range(3 * LIMIT):
        await worker.send(Purpose.MANUAL, timedelta(0), SECOND)
        await worker.settle(everything=True)
    worker.now += timedelta(minutes=5)
    for _ in range(3 * LIMIT):
        await worker.send(Purpose.MANUAL, timedelta(0), timedelta(0))
        await worker.settle(everything=True)

    assert (worker.admitted, worker.refused) == (LIMIT + 1, 0)


async def test_the_whole_limit_is_used() -> None:
    """One request after the other, for a day: nine tenths of the limit each hour, the rest at once if a user asks."""
    worker = Worker()
    while worker.now < NOW + timedelta(days=1):
        found = await worker.send(Purpose.BACKGROUND, timedelta(0), SECOND)
        await worker.settle(everything=True)
        worker.now = max(found.until, worker.now) if found is not None else worker.now + SECOND
    each_hour = 0.9 * LIMIT

    assert 0.97 * 24 * each_hour <= worker.admitted <= 24 * each_hour + 1
    assert worker.refused == 0
    assert [await worker.send(Purpose.MANUAL, timedelta(0), SECOND) for _ in range(2)] == [None, None]


async def test_git_requests_keep_the_hour() -> None:
    """Requests of another resource neither spend the hour nor shorten the log of it."""
    worker = Worker()
    for _ in range(LIMIT):
        await worker.send(Purpose.MANUAL, timedelta(0), timedelta(0))
        await worker.settle(everything=True)
    for minute in range(1, 59):
        at = worker.now + timedelta(minutes=minute)
        found = await worker.quota.reserve(request(resource=GIT), at)
        assert isinstance(found, Reservation)
        await worker.quota.settle(found, Usage(1, 0.1), at)
    refused = await worker.quota.reserve(request(Purpose.MANUAL), worker.now + timedelta(minutes=59))

    assert isinstance(refused, RetryAt)
    assert (refused.reason, refused.contention) == ("primary quota", False)
    assert HOUR < refused.until - NOW < HOUR + timedelta(minutes=1)


async def test_an_expired_reservation_counts_for_an_hour() -> None:
    """A worker that was killed has perhaps sent its request, even if only git was requested when it expired."""
    worker = Worker()
    for _ in range(LIMIT):
        assert isinstance(await worker.quota.reserve(request(Purpose.MANUAL), worker.now), Reservation)
    git = await worker.quota.reserve(request(resource=GIT), worker.now + timedelta(minutes=5))
    found = await worker.quota.reserve(request(Purpose.MANUAL), worker.now + timedelta(minutes=6))

    assert isinstance(git, Reservation)
    assert isinstance(found, RetryAt)
    assert found.until >= NOW + HOUR + timedelta(minutes=5)


async def test_the_capacity_is_the_rest_of_the_hour() -> None:
    """Plan no more than the hour has left, and what becomes free within the horizon."""
    worker, minute = Worker(), timedelta(minutes=1)
    assert await worker.quota.capacity(request(), minute, worker.now) == 18
    for _ in range(12):
        await worker.send(Purpose.BACKGROUND, timedelta(0), timedelta(0))
        await worker.settle(everything=True)
    assert await worker.quota.capacity(request(), minute, worker.now) == 6
    assert await worker.quota.capacity(request(), HOUR + minute, worker.now) == 36


async def test_the_status_shows_the_counted_quota() -> None:
    """Limit and rest are known without a response that reports them; a rolling hour has no reset."""
    worker = Worker()
    await worker.send(Purpose.MANUAL, timedelta(0), SECOND)
    (status,) = await worker.quota.quota_status(worker.now)

    assert (status.limit, status.remaining, status.reset_at) == (LIMIT, LIMIT - 1, None)


def test_the_hour_survives_its_encoding_and_a_lost_ledger() -> None:
    """Decode the log of the hour as it was, and restore it into a new ledger, beside the requests since then."""
    now = to_ms(NOW)
    lost = Account(clock=now)
    lost.meters[API] = Meter(0, 0, hourly=[Step(now - 90_000, 4, 0), Step(now - 30_000, 2, 0)])
    assert decode(encode(lost, "epoch")) == (lost, "epoch")

    started = Account(clock=now)
    started.meters[API] = Meter(0, 0, hourly=[Step(now - 30_000, 1, 0), Step(now - 1_000, 3, 0)])
    recover(started, lost, now - 2_000, BACKGROUND, now)
    assert [step.points for step in started.meters[API].hourly] == [4, 2, 3]
    assert started.advance(BACKGROUND, to_ms(from_ms(now) + 2 * HOUR))
    assert started.meters[API].hourly == []
