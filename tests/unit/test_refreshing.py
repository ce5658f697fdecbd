"""The waits of `fetcher refresh`: each has a reason and an end, and a pipe gets a line each minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from fetcher.cli.refreshing import COMPUTING, Run, Tally
from fetcher.domain.model import Deferral, Observed, OutcomeKind, Purpose, Record, Source
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Fault, NoAnswer, Request
from fetcher.quota import MemoryQuota
from fetcher.refresh.report import Report
from fetcher.settings import Settings
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.github.readers.classify import classify
from fetcher.upstreams.registry import upstreams_of
from tests.harness.clock import MINUTE, NOW, StoppedClock
from tests.harness.fakes import ScriptedTransport, answer
from tests.harness.policies import POLICIES

ROOT = "https://api.example"
SLOW_DOWN = answer({"message": "slow down"}, 429)
NO_TOKEN = NoAnswer(Fault.NO_CREDENTIAL, "api.example: GitHub refuses the App's installation token (status 401)")


@dataclass
class Lines:
    """A display that keeps its lines."""

    lines: list[str] = field(default_factory=list)

    def progress(self, done: int, failures: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def line(self, text: str) -> None:
        self.lines.append(text)


Script = Callable[[int, datetime], Sequence[Record]]


@dataclass
class Service:
    """A service whose records are a function of the round and the time."""

    clock: StoppedClock
    script: Script
    rounds: int = 0
    wanted: list[list[Source]] = field(default_factory=list)
    """The sources of each round."""

    async def refresh_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose, upstream: str | None = None
    ) -> Report:
        self.rounds += 1
        self.wanted.append(list(sources))
        return Report(tuple(self.script(self.rounds, self.clock.now())))


class TimeTable:
    """A sleep on a stopped clock: it advances to the earliest sleeper once all coroutines sleep."""

    def __init__(self, clock: StoppedClock) -> None:
        self._clock = clock
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []
        self._number = 0

    async def sleep(self, seconds: float) -> None:
        woken, self._number = asyncio.Event(), self._number + 1
        self._sleepers.append((self._clock.now() + timedelta(seconds=seconds), self._number, woken))
        if len(self._sleepers) == 2:  # the rounds and the lines of each minute
            self._wake()
        await woken.wait()

    def _wake(self) -> None:
        until, _, woken = min(self._sleepers, key=lambda one: one[:2])
        self._sleepers = [one for one in self._sleepers if one[2] is not woken]
        self._clock.advance(max(until - self._clock.now(), timedelta(0)))
        woken.set()


async def _run(
    script: Script, max_wait: timedelta, quota: MemoryQuota | None = None, clock: StoppedClock | None = None
) -> tuple[Tally, list[str], int]:
    clock = clock or StoppedClock(NOW)
    service, lines = Service(clock, script), Lines()
    run = _run_of(service, lines, max_wait, quota)
    return await run.until_settled([1], [Source.REPOSITORY]), lines.lines, service.rounds


def _run_of(service: Service, lines: Lines, max_wait: timedelta, quota: MemoryQuota | None = None) -> Run:
    clock = service.clock
    return Run(
        service,
        quota or MemoryQuota(POLICIES),
        clock,
        upstreams_of(Settings(github_token="t")),  # type: ignore[arg-type]
        Purpose.MANUAL,
        max_wait,
        lines,
        sleep=TimeTable(clock).sleep,
    )


def _deferred(until: datetime, package_id: int = 1) -> Deferral:
    return Deferral(package_id, Source.REPOSITORY, "lease", NOW, until)


def _answered(now: datetime) -> Observed:
    return Observed(
        1, Source.REPOSITORY, "lease", now, now + timedelta(days=1), outcome=OutcomeKind.FETCHED, answered=True
    )


async def _quota_after(answered: Answer, clock: StoppedClock) -> MemoryQuota:
    """Return a ledger after one request to GitHub with this result."""
    quota = MemoryQuota(POLICIES)
    gateway = Gateway(ScriptedTransport(lambda _: answered, [ROOT]), quota, clock, {GITHUB: "app:1:2"})
    await gateway.send(Request(GITHUB, Resource.CORE, "repository", ROOT + "/a"), Purpose.MANUAL, classify)
    return quota


async def test_a_limit_without_an_end_is_left_after_max_wait() -> None:
    """A source deferred again and again is retried until ten minutes passed without progress; the rest is open."""
    clock = StoppedClock(NOW)
    tally, lines, rounds = await _run(lambda _, now: [_deferred(now + MINUTE)], 10 * MINUTE, clock=clock)

    assert clock.now() == NOW + 10 * MINUTE
    assert (rounds, set(tally.open)) == (11, {1})
    assert tally.gave_up.endswith("until 12:11:00 UTC (60 s)")
    assert "waiting until 12:01:00 UTC (60 s): the pace of the github quota; 0 of 1 package done" in lines
    assert len(lines) >= 10


async def test_a_wait_longer_than_max_wait_is_not_begun() -> None:
    """If the quota is known to return later, the run ends at once and no time passes."""
    clock = StoppedClock(NOW)
    tally, _, rounds = await _run(lambda _, now: [_deferred(now + 11 * MINUTE)], 10 * MINUTE, clock=clock)

    assert (clock.now(), rounds) == (NOW, 1)
    assert tally.gave_up.endswith("until 12:11:00 UTC (11 min)")


async def test_the_details_of_a_deferred_repository_are_requested_with_it() -> None:
    """They follow its response, so they stay open until it has one; sources of another upstream are not repeated."""
    clock = StoppedClock(NOW)
    service = Service(clock, lambda number, now: [_deferred(now + MINUTE) if number == 1 else _answered(now)])
    tally = await _run_of(service, Lines(), 10 * MINUTE).until_settled([1], list(Source))

    assert service.wanted == [list(Source), [Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS]]
    assert (tally.open, tally.done) == ({}, {1})


@pytest.mark.parametrize("until", [timedelta(seconds=1), timedelta(0), MINUTE])
async def test_no_wait_at_all(until: timedelta) -> None:
    """A `--max-wait` of zero ends the run before the first wait, however short."""
    tally, _, rounds = await _run(lambda _, now: [_deferred(now + until)], timedelta(0))

    assert (rounds, set(tally.open)) == (1, {1})


async def test_progress_restarts_the_wait() -> None:
    """Each response restarts `--max-wait`, so that a long pass in the upstream's pace reaches its end."""

    def script(number: int, now: datetime) -> Sequence[Record]:
        later = _deferred(now + 8 * MINUTE, package_id=2)
        return [_answered(now), later] if number < 5 else [_answered(now)]

    clock = StoppedClock(NOW)
    tally, _, rounds = await _run(script, 10 * MINUTE, clock=clock)

    assert (rounds, clock.now(), tally.gave_up) == (5, NOW + 32 * MINUTE, "")


async def test_the_reason_is_the_upstreams_response() -> None:
    """After a 429 without `retry-after` the reason names the upstream and its message."""
    clock = StoppedClock(NOW)
    quota = await _quota_after(SLOW_DOWN, clock)
    tally, _, _ = await _run(lambda _, now: [_deferred(now + MINUTE)], timedelta(0), quota, clock)

    assert tally.gave_up.startswith("github returned a limit: ")
    assert "slow down" in tally.gave_up


async def test_a_rejected_app_ends_the_run() -> None:
    """A rejected credential of an App ends the run with its reason and a remedy, before any wait."""
    clock = StoppedClock(NOW)
    quota = await _quota_after(NO_TOKEN, clock)
    tally, _, rounds = await _run(lambda _, now: [_deferred(now + MINUTE)], 10 * MINUTE, quota, clock)

    assert (rounds, clock.now(), tally.gave_up) == (1, NOW, "")
    assert tally.rejected.startswith(NO_TOKEN.reason)


async def test_statistics_in_computation_have_an_end() -> None:
    """A source that GitHub keeps computing is retried for 90 seconds, and then left with that reason."""

    def script(_: int, now: datetime) -> Sequence[Record]:
        return [Observed(1, Source.REPOSITORY, "lease", now, now + MINUTE, outcome=OutcomeKind.NOT_READY)]

    tally, lines, _ = await _run(script, 10 * MINUTE)

    assert tally.gave_up.startswith(COMPUTING)
    assert any(COMPUTING in line for line in lines)
