"""The result of a batch, and its log entries: one for the batch and one for each failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from fetcher.domain.formatting import outcome_key
from fetcher.domain.model import Claim, Deferral, MadeDue, Observed, OutcomeKind, Purpose, Record, Target
from fetcher.http.rejection import log_rejected

log = structlog.get_logger(__name__)

MADE_TO_WAIT = (OutcomeKind.THROTTLED, OutcomeKind.NOT_READY)
"""Outcomes that are not failures of the source, because it is requested again automatically."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a claim: records by source and outcome, failures, and packages that became due."""

    records: tuple[Record, ...] = ()
    lost: int = 0
    """Packages whose lease was lost before the work began, so that another worker has them."""

    @property
    def moved(self) -> tuple[int, ...]:
        """Packages whose contributors or commits became due through this batch."""
        return tuple(sorted({r.package_id for r in self.records if isinstance(r, MadeDue)}))

    @property
    def failed(self) -> tuple[Observed, ...]:
        """Records of sources that were requested and failed."""
        observed = (record for record in self.records if isinstance(record, Observed) and not record.answered)
        return tuple(record for record in observed if record.outcome not in MADE_TO_WAIT)

    @property
    def waiting(self) -> int:
        """Number of sources that wait for quota, or for data that the upstream is computing."""
        observed = (record.outcome for record in self.records if isinstance(record, Observed))
        deferrals = sum(isinstance(record, Deferral) for record in self.records)
        return deferrals + sum(outcome in MADE_TO_WAIT for outcome in observed)


def log_report(claim: Claim, purpose: Purpose, targets: Sequence[Target], report: Report, took: timedelta) -> None:
    """Log the batch and each failure: as a warning the first time, as information afterwards.

    A rejected credential is one error, for any number of packages in the batch.
    """
    log.info(
        "batch",
        sources=[str(source) for source in claim.sources],
        purpose=str(purpose),
        packages=len(claim.package_ids),
        answered=sum(isinstance(record, Observed) and record.answered for record in report.records),
        failed=len(report.failed),
        waiting=report.waiting,
        moved=len(report.moved),
        lost=report.lost,
        seconds=round(took.total_seconds(), 3),
    )
    rejected = [record for record in report.failed if record.outcome is OutcomeKind.UNAUTHORIZED]
    if rejected:
        log_rejected(rejected[0].message, rejected[0].request_id, packages=len(rejected))
    slugs = {target.package_id: target.slug for target in targets}
    upstreams = {(one.package_id, source): state.upstream for one in targets for source, state in one.states.items()}
    for record in report.failed:
        if record.outcome is not OutcomeKind.UNAUTHORIZED:
            (log.info if record.failures > 1 else log.warning)(
                "failure",
                package=slugs.get(record.package_id, record.package_id),
                source=str(record.source),
                upstream=upstreams.get((record.package_id, record.source)),
                outcome=outcome_key(record.outcome),
                reason=record.message,
                failures=record.failures,
                due=record.due_at.isoformat() if record.due_at else None,
                request=record.request_id,
            )
