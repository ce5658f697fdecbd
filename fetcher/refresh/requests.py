"""Manual refreshes: their execution, and the comparison of the documents before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Protocol, assert_never

from fetcher.catalogue.documents import write_document
from fetcher.domain.model import (
    Deferral,
    GivenBack,
    MadeDue,
    Observed,
    OutcomeKind,
    Purpose,
    Record,
    Source,
    StoredPackage,
)
from fetcher.domain.views import Change, Ending, RefreshRequest, RequestState, SourceFailure
from fetcher.ports import Clock
from fetcher.refresh.report import Report

UNTOLD = frozenset({"last_fetched"})
"""Fields that every refresh changes, and that are not reported."""

NOTHING_TO_ASK = "nothing was requested: the package is retired or has no supported address"
NO_ANSWER = "no source answered"


class Refreshing(Protocol):
    """A service that refreshes packages: ``fetcher.refresh.service.RefreshService``."""

    async def refresh_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose
    ) -> Report: ...


class Requests(Protocol):
    """Stored refresh requests: ``fetcher.store.refresh_requests.RefreshRequests``."""

    def start(self, request_ids: Sequence[str], now: datetime) -> list[RefreshRequest]: ...

    def finish(self, endings: Sequence[Ending], now: datetime) -> None: ...


class Packages(Protocol):
    """Stored packages: ``fetcher.store.packages.Packages``."""

    def documents(self, package_ids: Sequence[int]) -> list[StoredPackage]: ...


@dataclass(frozen=True, slots=True)
class ManualRefreshes:
    """An executor of requests. It compares documents as printed, because those are published."""

    requests: Requests
    packages: Packages
    service: Refreshing
    clock: Clock
    zone: tzinfo

    async def carry_out(self, request_ids: Sequence[str]) -> None:
        """Refresh the packages of requests that no worker has started, and store each result.

        A package that is removed meanwhile is left out: its request was removed with it.
        """
        started = self.requests.start(request_ids, self.clock.now())
        if not started:
            return
        package_ids, today = [request.package_id for request in started], self.clock.now().date()
        try:
            before = self._documents(package_ids, today)
            report = await self.service.refresh_packages(package_ids, tuple(Source), Purpose.MANUAL)
            after = self._documents(package_ids, today)
        except Exception as error:
            reason = f"the refresh broke off ({type(error).__name__}); the workers' log says where"
            broken = [Ending(request.id, RequestState.FAILED, reason=reason) for request in started]
            self.requests.finish(broken, self.clock.now())
            raise
        endings = [
            ending(request, report.records, changes(before[request.package_id], after[request.package_id]))
            for request in started
            if request.package_id in before and request.package_id in after
        ]
        self.requests.finish(endings, self.clock.now())

    def refuse(self, request_ids: Sequence[str], reason: str) -> None:
        """Store as failed, for ``reason``, the requests that no worker has started."""
        started = self.requests.start(request_ids, self.clock.now())
        endings = [Ending(request.id, RequestState.FAILED, reason=reason) for request in started]
        self.requests.finish(endings, self.clock.now())

    def _documents(self, package_ids: Sequence[int], today: date) -> dict[int, dict[str, Any]]:
        found = self.packages.documents(package_ids)
        return {package.entry.id or 0: write_document(package, self.zone, today) for package in found}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the fields that differ between two documents of a package, in the documents' order."""
    return tuple(
        Change(name, before.get(name), value)
        for name, value in after.items()
        if name not in UNTOLD and before.get(name) != value
    )


def ending(request: RefreshRequest, records: Sequence[Record], changed: tuple[Change, ...]) -> Ending:
    """Return the result of ``request``: done if any source responded."""
    own = [record for record in records if record.package_id == request.package_id]
    failures = tuple(failure for record in own if (failure := _failure(record)) is not None)
    if any(isinstance(record, Observed) and record.answered for record in own):
        return Ending(request.id, RequestState.DONE, changed, failures)
    reason = NO_ANSWER if failures else NOTHING_TO_ASK
    return Ending(request.id, RequestState.FAILED, changed, failures, reason)


def _failure(record: Record) -> SourceFailure | None:
    """Return the failure of a source, or ``None`` for one that was only made due or given back."""
    match record:
        case Observed():
            if record.answered:
                return None
            return SourceFailure(record.source, record.outcome, record.message or record.outcome.replace("_", " "))
        case Deferral():
            until = record.due_at.isoformat(timespec="seconds")
            reason = f"waits for quota until {until}, and is then requested by itself"
            return SourceFailure(record.source, OutcomeKind.DEFERRED, reason)
        case GivenBack() | MadeDue():
            return None
        case _:
            assert_never(record)
