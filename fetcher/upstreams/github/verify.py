"""The check whether GitHub's participation counts merges, made with packages whose merges are known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog

from fetcher.domain.commit_weeks import history_start, rolling_weeks
from fetcher.domain.model import Purpose, Source, Target
from fetcher.domain.moments import is_waiting
from fetcher.domain.outcome import Fetched, NotReady
from fetcher.http.gateway import Gateway
from fetcher.ports import Checkpoint, Checkpoints, Clock
from fetcher.upstreams.base import Schedule, Statistics, StoredPackages
from fetcher.upstreams.batching import BatchOutcome
from fetcher.upstreams.github import requests
from fetcher.upstreams.github.change_detection import History
from fetcher.upstreams.github.histories import Histories, HistoryQuery, is_readable
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.github.merges import (
    MERGES,
    SAMPLE,
    Comparison,
    Merges,
    compare,
    conclude,
    counts_merges,
    describe,
    in_force,
)
from fetcher.upstreams.github.readers.contributors import read_participation
from fetcher.upstreams.github.readers.history import Head

log = structlog.get_logger(__name__)

CHECK_EVERY = timedelta(days=30)
"""Time between two checks by a worker."""

RETRY_AFTER = timedelta(hours=6)
"""Time until the next attempt after a check that could not compare enough packages."""

CANDIDATES = 4 * SAMPLE
"""Packages whose histories are read to choose a sample."""

LOOKED_AT = 400
"""Number of packages with the newest commits that are searched for candidates."""

SUITABLE = range(20, 101)
"""Commits in 52 weeks of a suitable package: enough for merges to occur, and one page with parents, which costs a
point.
"""

FIRST_PASS_DONE = 0.01
"""Maximum share of due packages at which a first pass counts as finished."""

_POLL = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the comparisons, the packages not compared with reasons, and the finding in force afterwards."""

    comparisons: tuple[Comparison, ...]
    unanswered: tuple[tuple[str, str], ...]
    finding: Merges
    in_force: Merges


@dataclass(slots=True)
class MergesCheck:
    """The comparison of participation with histories. It stores the finding by which weeks are counted."""

    claims: Schedule
    packages: StoredPackages
    statistics: Statistics
    checkpoints: Checkpoints
    gateway: Gateway
    clock: Clock
    api: requests.Api
    histories: Histories
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def check(
        self, package_ids: Sequence[int], purpose: Purpose, max_wait: timedelta, *, most: int | None = None
    ) -> Check:
        """Compare at most ``most`` of these packages, those with most merges. Wait ``max_wait`` for GitHub.

        Stores the finding. If it changes the counting of weeks, all commits become due.
        """
        targets = [t for i in package_ids if (t := self.claims.target(i)) is not None and t.handle]
        read, unanswered = await self._histories(targets, purpose)
        if most is not None:
            ordered = sorted(read.items(), key=lambda item: -sum(commit.merge for commit in item[1].commits))
            read = dict(ordered[:most])
        known = {target.package_id: target for target in targets}
        stated, missing = await self._participations([known[i] for i in read], purpose, max_wait)
        today = self.clock.now().date()
        comparisons = tuple(compare(known[i].slug, read[i].commits, weeks, today) for i, weeks in stated.items())
        return self._conclude(comparisons, (*unanswered, *missing))

    def candidates(self) -> list[int]:
        """Return packages likely to decide: active, with a head unchanged for a day."""
        midnight = datetime.combine(self.clock.now().date(), time(), self.clock.now().tzinfo)
        ids = self.packages.recently_committed(midnight - timedelta(days=1), LOOKED_AT)
        today = midnight.date()
        suitable = []
        for package in self.packages.documents(ids):
            days = package.commit_days
            if days is not None and package.entry.id is not None and sum(rolling_weeks(days, today)) in SUITABLE:
                suitable.append(package.entry.id)
        return suitable[:CANDIDATES]

    async def check_if_due(self, interval: timedelta) -> Check | None:
        """Check a sample in a worker: after a first pass, and every 30 days."""
        now = self.clock.now()
        checkpoint = self.checkpoints.get(MERGES)
        if is_waiting(checkpoint.due_at, now, CHECK_EVERY):
            return None
        stats = self.statistics.read(now, interval)
        sources = [stats.source(source) for source in (Source.REPOSITORY, Source.COMMITS)]
        if not all(one.answered and one.due_by(now) <= FIRST_PASS_DONE * one.packages for one in sources):
            return None
        return await self.check(self.candidates(), Purpose.BACKGROUND, timedelta(0), most=SAMPLE)

    async def _histories(
        self, targets: Sequence[Target], purpose: Purpose
    ) -> tuple[dict[int, History], list[tuple[str, str]]]:
        query = HistoryQuery(history_start(self.clock.now().date()), True, purpose)
        heads = await self.histories.heads(targets, query)
        outcomes: dict[int, BatchOutcome[History]] = await self.histories.complete(
            {i: a.value for i, a in heads.items() if isinstance(a, Fetched) and is_readable(a.value)}, query
        )
        read: dict[int, History] = {}
        unanswered = []
        for target in targets:
            head = heads[target.package_id]
            outcome = outcomes.get(target.package_id)
            if isinstance(outcome, Fetched):
                read[target.package_id] = outcome.value
            elif isinstance(head, Fetched):
                unanswered.append((target.slug, outcome.reason if outcome else _unreadable(head.value)))
            else:
                unanswered.append((target.slug, head.reason))
        return read, unanswered

    async def _participations(
        self, targets: Sequence[Target], purpose: Purpose, max_wait: timedelta
    ) -> tuple[dict[int, tuple[int, ...]], list[tuple[str, str]]]:
        """Request participation of each, repeating those that GitHub is still computing until ``max_wait`` is over."""
        until = self.clock.now() + max_wait
        stated: dict[int, tuple[int, ...]] = {}
        waiting = [(target, target.repo) for target in targets if target.repo is not None]
        reasons: dict[str, str] = {}
        while waiting:
            computing = []
            for target, repo in waiting:
                request = requests.participation(self.api, repo)
                answer = await self.gateway.send(request, purpose, read_participation)
                if isinstance(answer, Fetched):
                    stated[target.package_id] = answer.value
                    continue
                reasons[target.slug] = getattr(answer, "reason", "it answers at another address")
                if isinstance(answer, NotReady):
                    computing.append((target, repo))
            waiting = computing
            if waiting and self.clock.now() + _POLL > until:
                break
            if waiting:
                await self.sleep(_POLL.total_seconds())
        missing = [(t.slug, reasons[t.slug]) for t in targets if t.package_id not in stated]
        return stated, missing

    def _conclude(self, comparisons: tuple[Comparison, ...], unanswered: tuple[tuple[str, str], ...]) -> Check:
        now = self.clock.now()
        before, concluded = self.checkpoints.get(MERGES), conclude(comparisons)
        valid = in_force(before, concluded)
        again = CHECK_EVERY if concluded is not Merges.UNDECIDED else RETRY_AFTER
        after = Checkpoint(MERGES, now, now + again, outcome=valid.value, message=describe(comparisons))
        self.checkpoints.save(after)
        if counts_merges(before) != counts_merges(after):
            until_now = now + timedelta(microseconds=1)
            while self.claims.make_due(GITHUB, Source.COMMITS, answered_before=until_now, now=now):
                log.info("merges", reason="weeks are counted another way from now on: commits are due")
        log.info("merges", finding=str(concluded), in_force=str(valid), packages=len(comparisons))
        return Check(comparisons, unanswered, concluded, valid)


def _unreadable(head: Head) -> str:
    """Return why a head's history was not read."""
    return "it has no commits" if head.oid is None else "it has too many commits in its weeks"
