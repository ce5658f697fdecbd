"""What a batch came to, and the lines that the log gets of it: one a batch, one a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from fetcher.model import DETAIL_SOURCES, Claim, Purpose, Record, Target

log = structlog.get_logger(__name__)

MADE_TO_WAIT = ("throttled", "not_ready")
REJECTED = "unauthorized"
"""The one failure that is nobody's package's: until somebody acts, nothing answers."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a claim came to: how many records by source and outcome, what went wrong, and what follows."""

    records: tuple[Record, ...] = ()
    lost: int = 0
    """Packages whose lease was gone when the work was to begin: somebody else has them."""

    @property
    def moved(self) -> tuple[int, ...]:
        """Packages whose contributors or commits became due by this."""
        return tuple(sorted({r.package_id for r in self.records if r.source in DETAIL_SOURCES and _is_made_due(r)}))

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of sources that were asked and did not answer as they should; being made to wait is no failure."""
        asked = (r for r in self.records if r.outcome is not None and not r.answered)
        return tuple(r for r in asked if r.outcome not in MADE_TO_WAIT)

    @property
    def waiting(self) -> datetime | None:
        """The latest moment until which something that was claimed has to wait for quota."""
        return max((r.due_at for r in self.records if r.is_deferred and r.due_at is not None), default=None)


def tell(claim: Claim, purpose: Purpose, targets: Sequence[Target], report: Report, took: timedelta) -> None:
    """One line for the batch and one for each failure: a warning while it is news, and no more than a note afterwards.

    A credential that is not accepted is one error, however many packages were in the batch.
    """
    log.info(
        "batch",
        sources=[str(source) for source in claim.sources],
        purpose=str(purpose),
        packages=len(claim.package_ids),
        answered=sum(record.answered for record in report.records),
        failed=len(report.failed),
        waiting=sum(r.outcome in MADE_TO_WAIT or r.is_deferred for r in report.records),
        moved=len(report.moved),
        lost=report.lost,
        seconds=round(took.total_seconds(), 3),
    )
    rejected = [record for record in report.failed if record.outcome == REJECTED]
    if rejected:
        tell_rejected(rejected[0].message, rejected[0].request_id, packages=len(rejected))
    slugs = {target.package_id: target.slug for target in targets}
    for record in report.failed:
        if record.outcome != REJECTED:
            (log.info if record.failures > 1 else log.warning)(
                "failure",
                package=slugs.get(record.package_id, record.package_id),
                source=str(record.source),
                outcome=record.outcome,
                reason=record.message,
                failures=record.failures,
                due=record.due_at.isoformat() if record.due_at else None,
                request=record.request_id,
            )


def tell_rejected(reason: str | None, request_id: str | None, **details: object) -> None:
    """The line that somebody has to act on."""
    log.error(
        "credential rejected",
        reason=reason,
        remedy="Replace the token or the App's key and start the workers again: docs/runbooks.md",
        request=request_id,
        **details,
    )


def _is_made_due(record: Record) -> bool:
    return record.outcome is None and record.lease is None
