"""The poll of the index's feed of new releases: named projects become due at once, and gaps are noted and closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from fetcher.domain.formatting import counted
from fetcher.domain.model import OutcomeKind, Purpose, Source
from fetcher.domain.moments import is_ahead, is_waiting
from fetcher.domain.outcome import Deferred, Fetched, Malformed, NotModified, kind
from fetcher.domain.scheduling import LONGEST_PAUSE, Cadence
from fetcher.http.gateway import Gateway
from fetcher.ports import Checkpoint, Checkpoints, Clock
from fetcher.upstreams.base import FeedStatus, IndexSerials, Schedule
from fetcher.upstreams.pypi.answers import IndexOutcome, NotOffered
from fetcher.upstreams.pypi.feed import Feed, FeedItem, Mark, has_gap, is_wanted, read_feed
from fetcher.upstreams.pypi.limits import PYPI
from fetcher.upstreams.pypi.requests import feed_request
from fetcher.upstreams.pypi.serials_check import ROOT

log = structlog.get_logger(__name__)

FEED, NEWEST, CONTINUOUS, GAP = "pypi_feed", "pypi_feed_newest", "pypi_feed_continuous", "pypi_feed_gap"
"""Checkpoints: the poll, the newest item seen, the time since which no release was missed, and the last gap."""

FAILING: Final = timedelta(hours=1)
"""Longest time between two polls of a feed that fails. It grows with the time for which the feed has failed."""

CLOSING_EVERY: Final = timedelta(hours=1)
"""Least time between the requests that close two gaps. A mirror with a short feed may have a gap at each poll."""

OPEN, CLOSED = "open", "closed"
"""Outcomes of a gap's checkpoint. An open one is closed by a later comparison with the root."""

UNOFFERED = "unoffered"
"""Outcome of a poll of an index without a feed."""


@dataclass(slots=True)
class FeedCheck:
    """A poll of the feed. It decides by stored checkpoints, so any worker can take the next one."""

    serials: IndexSerials
    claims: Schedule
    checkpoints: Checkpoints
    gateway: Gateway
    clock: Clock
    root: str = field(repr=False)
    """May contain a mirror's password."""
    cadence: Cadence
    threshold: int
    """Projects above which the index's root closes gaps and confirms; below it, requests for single projects."""
    made_due: int = 0
    """Projects that the last poll made due."""

    async def check(self) -> bool:
        """Poll the feed if a poll is due and any project is followed; returns whether it was requested."""
        now, self.made_due = self.clock.now(), 0
        checkpoint = self.checkpoints.get(FEED)
        if is_waiting(checkpoint.due_at, now, max(self.cadence.index_interval, LONGEST_PAUSE)):
            return False
        followed = self.serials.followed(self.threshold + 1)
        if not followed:
            return False
        request = feed_request(self.root, checkpoint.validators)
        outcome = await self.gateway.send(
            request,
            Purpose.BACKGROUND,
            lambda answer: read_feed(answer, url=request.url, now=self.clock.now()),
        )
        if isinstance(outcome, Fetched) and not outcome.value.items and self.checkpoints.get(NEWEST).message:
            outcome = Malformed("feed of new releases: empty, although it had releases before")
        self._conclude(checkpoint, outcome, now, large=followed > self.threshold)
        return not isinstance(outcome, Deferred)

    def _conclude(self, checkpoint: Checkpoint, outcome: IndexOutcome[Feed], now: datetime, *, large: bool) -> None:
        due_at = now + self.cadence.feed
        match outcome:
            case Fetched(value=Feed() as feed, validators=validators):
                made = self.made_due = self._take(feed, now, large=large)
                # Without validators the next poll has the items again, and finds whether these releases have arrived.
                kept = replace(checkpoint, validators=validators) if not made else Checkpoint(FEED)
                found = replace(kept, observed_at=now, due_at=due_at, outcome=kind(outcome), message=None)
            case NotModified():
                self._confirm(now, large=large)
                found = replace(checkpoint, observed_at=now, due_at=due_at, outcome=kind(outcome), message=None)
            case Deferred():
                found = replace(checkpoint, due_at=outcome.until)
            case NotOffered():
                if checkpoint.outcome != UNOFFERED:
                    log.info("feed", outcome=UNOFFERED, reason="the index has no feed: projects are requested singly")
                due_at = now + self.cadence.index_interval
                found = replace(checkpoint, due_at=due_at, outcome=UNOFFERED, message=outcome.reason)
                self._request_singly(now, large=large)
            case _:
                reason = getattr(outcome, "reason", None)
                log.warning("feed", outcome=kind(outcome), reason=reason)
                due_at = now + _retry_after(checkpoint.observed_at, now, self.cadence.feed)
                found = replace(checkpoint, due_at=due_at, outcome=kind(outcome), message=reason)
                self._request_singly(now, large=large)
        self.checkpoints.save(found)

    def _take(self, feed: Feed, now: datetime, *, large: bool) -> int:
        """Make the named projects due, close a gap, and move the mark; returns the number of projects made due.

        Each step can be repeated: a worker that is lost in between leaves the rest to the next poll.
        """
        last = self.checkpoints.get(NEWEST)
        mark = Mark(last.message, last.observed_at) if last.message and last.observed_at else None
        made = self._make_due(feed.items, now)
        since = feed.reaches_back_to or now
        gap = has_gap(feed, mark)
        if gap:
            self._close(mark, since, now, large=large)
        known = self.checkpoints.get(CONTINUOUS).observed_at
        if gap or known is None or is_ahead(known, now):
            self.checkpoints.save(Checkpoint(CONTINUOUS, since))
        newest = feed.newest
        if newest is not None and (mark is None or newest.published_at >= mark.published_at):
            self.checkpoints.save(Checkpoint(NEWEST, newest.published_at, message=newest.title))
        self._confirm(now, large=large)
        return made

    def _make_due(self, items: Iterable[FeedItem], now: datetime) -> int:
        by_project: dict[str, list[FeedItem]] = {}
        for item in items:
            by_project.setdefault(item.project, []).append(item)
        known = self.serials.known(by_project)
        wanted = [one for one in known if any(is_wanted(item, one, now) for item in by_project[one.project])]
        if wanted:
            published = max(item.published_at for one in wanted for item in by_project[one.project])
            self.claims.make_released_due(wanted, published, now)
            log.info("feed", projects=[one.project for one in wanted])
        return len(wanted)

    def _close(self, last: Mark | None, since: datetime, now: datetime, *, large: bool) -> None:
        """Note a gap, and request the data that closes it: the root's serials, or each project of a small catalogue."""
        before = "" if last is None else f" after {last.published_at.isoformat(timespec='seconds')}"
        missed = f"releases{before} and before {since.isoformat(timespec='seconds')} may be missing from the feed"
        at = _closing_time(self.checkpoints.get(GAP), now)
        if large:
            root = self.checkpoints.get(ROOT)
            self.checkpoints.save(replace(root, due_at=at if root.due_at is None else min(root.due_at, at)))
            closing = "the serials of the index's root are compared"
        else:
            made = self.claims.make_due(PYPI, Source.INDEX, answered_before=since, now=at)
            closing = f"{counted(made, 'project')} requested singly"
        log.warning("feed", reason=missed, closing=closing, at=at)
        outcome = OPEN if large else CLOSED
        self.checkpoints.save(Checkpoint(GAP, now, at, outcome=outcome, message=f"{missed}; {closing}"))

    def _confirm(self, now: datetime, *, large: bool) -> None:
        """Confirm the projects of a small catalogue once a cycle: the feed has named no release of theirs.

        In a large one the daily comparison with the root does it, which also finds yanked and removed files.
        """
        continuous = self.checkpoints.get(CONTINUOUS)
        waiting = is_waiting(continuous.due_at, now, self.cadence.index_interval)
        if large or continuous.observed_at is None or waiting:
            return
        confirmed = self.serials.confirm_all(now, self.cadence.recheck, continuous.observed_at)
        log.info("feed", confirmed=confirmed)
        self.checkpoints.save(replace(continuous, due_at=now + self.cadence.index_interval))

    def _request_singly(self, now: datetime, *, large: bool) -> None:
        """Make each project of a small catalogue due after two cycles without a working feed."""
        if not large:
            self.claims.make_due(PYPI, Source.INDEX, answered_before=now - 2 * self.cadence.index_interval, now=now)


def feed_status(checkpoint: Callable[[str], Checkpoint | None]) -> FeedStatus | None:
    """Return the state of the feed by its checkpoints; ``None`` before the first poll."""
    poll, gap, root = (checkpoint(name) or Checkpoint(name) for name in (FEED, GAP, ROOT))
    if poll.outcome is None:
        return None
    good = poll.outcome in (OutcomeKind.FETCHED, OutcomeKind.NOT_MODIFIED)
    compared = root.observed_at is not None and gap.observed_at is not None and root.observed_at >= gap.observed_at
    return FeedStatus(
        upstream=PYPI,
        title="PyPI",
        read_at=poll.observed_at,
        fault=None if good else poll.message or poll.outcome.replace("_", " "),
        offered=poll.outcome != UNOFFERED,
        gap_at=gap.observed_at,
        gap=gap.message,
        open=gap.outcome == OPEN and not compared,
    )


def _closing_time(last: Checkpoint, now: datetime) -> datetime:
    """Return the time of the requests that close a gap, by the checkpoint of the last one."""
    if last.due_at is None or is_ahead(last.due_at, now + CLOSING_EVERY):
        return now
    return last.due_at if last.due_at > now else max(now, last.due_at + CLOSING_EVERY)


def _retry_after(read_at: datetime | None, now: datetime, least: timedelta) -> timedelta:
    """Return the time until a failing feed is polled again: as long as it has failed, within two limits."""
    failing_for = now - read_at if read_at is not None else FAILING
    return min(max(failing_for, least), FAILING)
