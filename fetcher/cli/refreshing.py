"""A refresh in this process: rounds over the open sources, with waits between them that have a reason and an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from fetcher.domain.formatting import counted, span
from fetcher.domain.model import (
    DETAIL_SOURCES,
    Deferral,
    GivenBack,
    MadeDue,
    Observed,
    OutcomeKind,
    Purpose,
    Record,
    Source,
)
from fetcher.ports import Clock
from fetcher.quota import PauseCause, Quota, QuotaStatus
from fetcher.refresh.report import Report
from fetcher.upstreams.registry import Upstreams

SLICE = 50
"""Packages refreshed between two updates of the progress bar."""

NOT_READY_PATIENCE = timedelta(seconds=90)
"""Longest wait for statistics that GitHub is still computing."""

NOTICE_EVERY = 60.0
"""Seconds between two lines about a wait, if stderr is no terminal."""

COMPUTING = "GitHub is computing statistics"


class Refreshing(Protocol):
    """A service that refreshes packages: ``fetcher.refresh.service.RefreshService``."""

    async def refresh_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose, upstream: str | None = None
    ) -> Report: ...


class Display(Protocol):
    """The progress bar of a terminal, or lines in a pipe."""

    def progress(self, done: int, failures: int) -> None:
        """Show the numbers of finished packages and of failures."""
        ...

    def note(self, text: str) -> None:
        """Show the reason of a wait beside the bar; "" when it ends."""
        ...

    def line(self, text: str) -> None:
        """Print a line, if there is no bar."""
        ...


@dataclass(slots=True)
class Tally:
    """Results of a run, by package and source."""

    done: set[int] = field(default_factory=set)
    requested: set[int] = field(default_factory=set)
    failed: dict[tuple[int, Source], Observed] = field(default_factory=dict)
    open: dict[int, set[Source]] = field(default_factory=dict)
    """Sources still to be refreshed, waiting for quota or for GitHub's statistics."""
    settled: int = 0
    """Number of sources that responded or failed. If it grows, the run makes progress."""
    wait_until: datetime | None = None
    unready: bool = False
    rejected: str = ""
    """The reason of a rejected credential, and its remedy; "" without one. The run then ends: waiting does not help."""
    gave_up: str = ""
    """The reason of a wait longer than allowed, and its end; "" if the run did not end so."""

    def take(self, package_ids: Sequence[int], sources: Sequence[Source], records: Sequence[Record]) -> None:
        """Sort the records of one slice into done, failed and open.

        Contributors and commits follow a response for their repository, so they are open as long as it is.
        """
        for package_id in package_ids:
            self.open.pop(package_id, None)
        for record in records:
            self.requested.add(record.package_id)
            match record:
                case Observed():
                    self._observe(record)
                case Deferral():
                    self._wait(record)
                case GivenBack() | MadeDue():
                    pass
                case _:
                    assert_never(record)
        details = [source for source in sources if source in DETAIL_SOURCES]
        for left in (self.open[package_id] for package_id in package_ids if package_id in self.open):
            if Source.REPOSITORY in left:
                left.update(details)
        self.done.update(package_id for package_id in package_ids if package_id not in self.open)

    def _observe(self, record: Observed) -> None:
        key = (record.package_id, record.source)
        if record.answered:
            self.failed.pop(key, None)
            self.settled += 1
        elif record.outcome is OutcomeKind.THROTTLED:
            self._wait(record)
        elif record.outcome is OutcomeKind.NOT_READY:
            self.open.setdefault(record.package_id, set()).add(record.source)
            self.unready = True
        else:
            self.failed[key] = record
            self.settled += 1

    def _wait(self, record: Observed | Deferral) -> None:
        self.open.setdefault(record.package_id, set()).add(record.source)
        if record.due_at is not None and (self.wait_until is None or record.due_at < self.wait_until):
            self.wait_until = record.due_at

    @property
    def waiting_sources(self) -> set[Source]:
        """The sources that are open in any package."""
        return {source for sources in self.open.values() for source in sources}


@dataclass(slots=True)
class Run:
    """One refresh of named packages, until all sources have responded or failed, or the next wait is too long.

    ``max_wait`` is the longest time without a response or a failure of any source. A wait that would end after it is
    not begun.
    """

    service: Refreshing
    quota: Quota
    clock: Clock
    upstreams: Upstreams
    purpose: Purpose
    max_wait: timedelta
    display: Display
    upstream: str | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    tally: Tally = field(default_factory=Tally)
    _total: int = 0
    _waits: str = ""
    """The current wait, for the line of each minute; "" between waits."""

    async def until_settled(self, package_ids: Sequence[int], sources: Sequence[Source]) -> Tally:
        """Refresh in rounds. In a pipe, print a line each minute."""
        self._total = len(package_ids)
        lines = asyncio.create_task(self._lines())
        try:
            await self._rounds(package_ids, sources)
        finally:
            lines.cancel()
            with suppress(asyncio.CancelledError):
                await lines
        return self.tally

    async def _rounds(self, package_ids: Sequence[int], sources: Sequence[Source]) -> None:
        tally, pause = self.tally, 1.0
        progress_at = began = self.clock.now()
        await self._round({frozenset(sources): list(package_ids)})
        settled = tally.settled
        if settled:
            progress_at = self.clock.now()
        while tally.open and (tally.wait_until is not None or self.clock.now() < began + NOT_READY_PATIENCE):
            now, reason = self.clock.now(), COMPUTING
            rejected = await rejection(self.quota, now, self._waited_for())
            if rejected is not None:
                remedy = self.upstreams.named(rejected.upstream).rejected_remedy
                tally.rejected = f"{rejected.pause_reason}. {remedy}"
                return
            if tally.wait_until is not None and not tally.unready:
                wait = max((tally.wait_until - now).total_seconds(), 0.1)
                reason = await self._reason(now)
            else:
                wait, pause = pause, min(pause * 2, 15.0)
            until = now + timedelta(seconds=wait)
            if until > progress_at + self.max_wait:
                tally.gave_up = f"{reason}, until {_clock(until)} ({span(until - now)})"
                return
            await self._wait(reason, wait, until)
            tally.wait_until, tally.unready = None, False
            groups: dict[frozenset[Source], list[int]] = {}
            for package_id, left in tally.open.items():
                groups.setdefault(frozenset(left), []).append(package_id)
            await self._round(groups)
            if tally.settled > settled:
                settled, progress_at = tally.settled, self.clock.now()
        if tally.open:
            tally.gave_up = f"{COMPUTING} since {_clock(began)}"

    async def _wait(self, reason: str, seconds: float, until: datetime) -> None:
        self._waits = f"waiting until {_clock(until)} ({span(timedelta(seconds=seconds))}): {reason}"
        self.display.note(f"{self._waits} (Ctrl-C is safe)")
        if seconds >= NOTICE_EVERY:
            self._line()
        await self.sleep(seconds)
        self._waits = ""
        self.display.note("")

    async def _lines(self) -> None:
        while True:
            await self.sleep(NOTICE_EVERY)
            self._line()

    def _line(self) -> None:
        done = f"{len(self.tally.done):,} of {counted(self._total, 'package')} done"
        self.display.line(f"{self._waits or 'refreshing'}; {done}")

    def _waited_for(self) -> Collection[str]:
        """Return the names of the upstreams whose sources are open."""
        waiting = self.tally.waiting_sources
        return [
            one.name
            for one in self.upstreams.all
            if self.upstream in (None, one.name) and waiting.intersection(one.sources)
        ]

    async def _reason(self, now: datetime) -> str:
        """Return the cause of the wait as the ledger knows it: a pause with its reason, or the quota."""
        names = self._waited_for()
        statuses = [one for one in await self.quota.quota_status(now) if one.upstream in names]
        paused = [one for one in statuses if one.paused_until is not None and one.paused_until > now]
        if paused:
            first = min(paused, key=lambda one: one.paused_until or now)
            return f"{first.upstream} returned a limit: {first.pause_reason}"
        spent = [one for one in statuses if one.remaining is not None and one.remaining <= 0]
        if spent:
            return f"the {spent[0].upstream} quota `{spent[0].resource}` is used up"
        return f"the pace of the {' and '.join(names)} quota"

    async def _round(self, groups: dict[frozenset[Source], list[int]]) -> None:
        """Refresh the open sources once, slice by slice."""
        for sources, package_ids in groups.items():
            ordered = [source for source in Source if source in sources]
            for start in range(0, len(package_ids), SLICE):
                part = package_ids[start : start + SLICE]
                report = await self.service.refresh_packages(part, ordered, self.purpose, self.upstream)
                self.tally.take(part, ordered, report.records)
                self.display.progress(len(self.tally.done), len(self.tally.failed))


async def rejection(quota: Quota, now: datetime, upstreams: Collection[str]) -> QuotaStatus | None:
    """Return the quota of one of ``upstreams`` that is paused for a rejected credential. Waiting does not end it."""
    statuses = await quota.quota_status(now)
    return next(
        (one for one in statuses if one.pause_cause is PauseCause.REJECTED and one.upstream in upstreams),
        None,
    )


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S %Z").strip()
