"""The check of the index's root, by which large catalogues request only changed projects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from fetcher.domain.model import Purpose, Source
from fetcher.domain.moments import is_waiting
from fetcher.domain.outcome import Deferred, Fetched, NotModified, kind
from fetcher.domain.scheduling import LONGEST_PAUSE, Cadence, Pauses
from fetcher.http.gateway import Gateway
from fetcher.ports import Checkpoint, Checkpoints, Clock
from fetcher.upstreams.base import IndexSerials, Schedule
from fetcher.upstreams.pypi import IndexOutcome, NotOffered, SerialFeed, Serials, read_root, root_request
from fetcher.upstreams.pypi.limits import PYPI

log = structlog.get_logger(__name__)

ROOT = "pypi_root"
"""Name of the checkpoint."""

_PAUSES = Pauses(timedelta(minutes=10), 1, timedelta(minutes=10))


@dataclass(slots=True)
class SerialsCheck:
    """A comparison of the root's serials with the stored ones, once a cycle and only for large catalogues."""

    serials: IndexSerials
    claims: Schedule
    checkpoints: Checkpoints
    gateway: Gateway
    clock: Clock
    root: str = field(repr=False)
    """May contain a mirror's password."""
    cadence: Cadence
    threshold: int

    async def check(self) -> bool:
        """Request the root if a cycle has passed; returns whether it was requested."""
        now = self.clock.now()
        checkpoint = self.checkpoints.get(ROOT)
        if is_waiting(checkpoint.due_at, now, max(self.cadence.index_interval, LONGEST_PAUSE)):
            return False
        wanted = self.serials.projects()
        if len(wanted) <= self.threshold:
            return False
        feed = SerialFeed(wanted)
        request = root_request(self.root, checkpoint.validators)
        answer = await self.gateway.stream(
            request,
            Purpose.BACKGROUND,
            feed.feed,
            lambda answer: read_root(answer, feed, url=request.url, now=self.clock.now()),
        )
        self._conclude(checkpoint, answer, now)
        return not isinstance(answer, Deferred)

    def _conclude(self, checkpoint: Checkpoint, answer: IndexOutcome[object], now: datetime) -> None:
        again = now + self.cadence.index_interval
        match answer:
            case Fetched(value=Serials() as serials, validators=validators):
                confirmed, due = self.serials.confirm(serials, now, self.cadence.recheck)
                log.info("serials", projects=len(serials), confirmed=confirmed, due=due)
                found = Checkpoint(ROOT, now, again, validators, kind(answer))
            case NotModified():
                confirmed = self.serials.confirm_all(now, self.cadence.recheck)
                log.info("serials", confirmed=confirmed, due=0)
                found = replace(checkpoint, observed_at=now, due_at=again, outcome=kind(answer), message=None)
            case Deferred():
                found = replace(checkpoint, due_at=answer.until)
            case NotOffered():
                found = replace(checkpoint, due_at=again, outcome="unoffered", message=answer.reason)
                self._ask_each(now)
            case _:
                log.warning("serials", outcome=kind(answer), reason=getattr(answer, "reason", None))
                due_at = now + _PAUSES.after(1)
                found = replace(
                    checkpoint, due_at=due_at, outcome=kind(answer), message=getattr(answer, "reason", None)
                )
                self._ask_each(now)
        self.checkpoints.save(found)

    def _ask_each(self, now: datetime) -> None:
        """Make each project due after two cycles without a listing."""
        made = self.claims.make_due(PYPI, Source.INDEX, answered_before=now - 2 * self.cadence.index_interval, now=now)
        if made:
            log.warning("serials", reason="the index's root does not respond: projects are requested singly", due=made)
