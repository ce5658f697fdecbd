"""Versions of projects: conditional JSON API requests, and Simple for the status or in place of a missing JSON API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from fetcher.domain.model import (
    QUARANTINED,
    ProjectMark,
    ProjectStatus,
    ProjectVersions,
    Purpose,
    Record,
    Source,
    SourceState,
    Target,
    Validators,
)
from fetcher.domain.moments import is_ahead
from fetcher.domain.outcome import Deferred, Fetched, Gone, Malformed, NotModified, Outcome, Transient
from fetcher.domain.records import FetchedValues, at_recheck, deferred, record_of
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.ports import Clock
from fetcher.upstreams.pypi import (
    IndexOutcome,
    NotOffered,
    Partial,
    is_stale,
    json_request,
    merge,
    read_json,
    read_simple,
    simple_request,
)

Answered = IndexOutcome[ProjectVersions] | Partial[ProjectVersions]


@dataclass(slots=True)
class ProjectsRefresh:
    """A refresh of projects from an index, with one request for each unchanged project."""

    gateway: Gateway
    clock: Clock
    root: str = field(repr=False)
    """May contain a mirror's password."""
    cadence: Cadence
    concurrency: asyncio.Semaphore

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records of the index source of ``targets``."""
        return list(await asyncio.gather(*(self._one(target, purpose) for target in targets)))

    async def _one(self, target: Target, purpose: Purpose) -> Record:
        async with self.concurrency:
            requested_at = self.clock.now()
            state, project = target.state(Source.INDEX), target.project or ""
            answer = await self._json(project, state.validators, purpose)
            told = isinstance(answer, Fetched | NotModified)
            wanting = (told and is_status_due(state, requested_at, self.cadence)) or isinstance(
                answer, Partial | Gone | NotOffered
            )
            if not wanting:
                return self._record(target, answer, requested_at, full=False)
            simple = await self._simple(project, purpose)
            outcome, full = _together(answer, simple)
            unchanged = isinstance(answer, NotModified)
            return self._record(target, outcome, requested_at, full=full, unchanged=unchanged)

    async def _json(self, project: str, validators: Validators, purpose: Purpose) -> Answered:
        request = json_request(self.root, project, validators)
        return await self.gateway.send(
            request, purpose, lambda answer: read_json(answer, project, url=request.url, now=self.clock.now())
        )

    async def _simple(self, project: str, purpose: Purpose) -> IndexOutcome[ProjectVersions]:
        request = simple_request(self.root, project)
        return await self.gateway.send(
            request,
            purpose,
            lambda answer: read_simple(answer, project, url=request.url, now=self.clock.now()),
            continuation=True,
        )

    def _record(
        self, target: Target, answer: Answered, requested_at: datetime, *, full: bool, unchanged: bool = False
    ) -> Record:
        state = target.state(Source.INDEX)
        outcome = _outcome(answer)
        if isinstance(outcome, Deferred):
            return deferred(target, Source.INDEX, outcome.until, requested_at)
        fetched = FetchedValues(full=full)
        if isinstance(outcome, Fetched):
            versions = outcome.value
            if is_stale(versions, _expected(state)):
                stale = Transient(f"a stale edge: serial {versions.serial}, expected {_expected(state)}")
                return record_of(target, Source.INDEX, stale, requested_at, self.cadence)
            values = _values(versions, unchanged=unchanged)
            serial = str(versions.serial) if versions.serial is not None else None
            revision = QUARANTINED if versions.status is ProjectStatus.QUARANTINED else serial
            fetched = FetchedValues(values, revision, outcome.validators or None, full)
        record = record_of(target, Source.INDEX, outcome, requested_at, self.cadence, fetched)
        if record.answered and state.expected is not None:
            # The index's root reports this serial and will report the next: only the slow re-check remains.
            return at_recheck(record, target, self.cadence)
        return record


def is_status_due(state: SourceState, now: datetime, cadence: Cadence) -> bool:
    """Return whether to read the status: slowly, because archiving moves no serial, and at once after a quarantine."""
    if state.full_fetch_at is None or is_ahead(state.full_fetch_at, now) or state.revision == QUARANTINED:
        return True
    return now - state.full_fetch_at >= cadence.recheck


def _together(json: Answered, simple: IndexOutcome[ProjectVersions]) -> tuple[Answered, bool]:
    """Return the joint outcome of both APIs, and whether the status is now known (or not available)."""
    match json, simple:
        case Fetched(value=versions), Fetched(value=other):
            return replace(json, value=merge(versions, other)), True
        case Partial(value=versions, validators=validators), Fetched(value=other):
            return Fetched(merge(versions, other), validators), True
        case NotModified(), Fetched(value=other) if other.status is not None:
            return Fetched(other), True
        case NotModified() | Fetched(), NotOffered() | Gone() | Fetched():
            return json, True
        case NotModified() | Fetched(), _:
            return json, False
        case Partial(value=versions, validators=validators), NotOffered() | Gone():
            return Fetched(versions, validators), True
        case Gone(), NotOffered():
            return json, False
        case _, Fetched(value=other):  # its validators are Simple's own and invalid for the JSON API
            return Fetched(other), True
        case _:
            return simple, False


def _outcome(answer: Answered) -> Outcome[ProjectVersions]:
    """Return ``answer`` as an outcome for scheduling."""
    match answer:
        case NotOffered():
            return Malformed(answer.reason)
        case Partial():
            return Fetched(answer.value, answer.validators)
        case _:
            return answer


def _values(versions: ProjectVersions, *, unchanged: bool) -> ProjectVersions | ProjectMark:
    """Return the values to store: only the status if the stored releases are better than these.

    A quarantined project shows no release. Simple's HTML form seldom has upload times. If the JSON API has just
    confirmed the stored releases (``unchanged``), they keep theirs.
    """
    if versions.status is ProjectStatus.QUARANTINED and not versions.releases:
        return ProjectMark(ProjectStatus.QUARANTINED)
    undated = not any(release.uploaded_at for release in versions.releases)
    if versions.status is not None and unchanged and undated:
        return ProjectMark(versions.status)
    return versions


def _expected(state: SourceState) -> int | None:
    """Return the newest serial seen of a project, in its own responses or in the index's root."""
    known = [int(text) for text in (state.revision, state.expected) if text is not None and text.isdigit()]
    return max(known, default=None)
