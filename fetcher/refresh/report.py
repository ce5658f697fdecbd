"""What a batch came to, and the lines that the log gets of it: one a batch, one a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from fetcher.domain.model import Claim, Deferral, MadeDue, Observed, OutcomeKind, Purpose, Record, Target
from fetcher.http.rejection import log_rejected

log = structlog.get_logger(__name__)

MADE_TO_WAIT = (OutcomeKind.THROTTLED, OutcomeKind.NOT_READY)
"""Outcomes that are no failure of the source: it is requested again by itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a claim came to: how many records by source and outcome, what went wrong, and what follows."""

    records: tuple[Record, ...] = ()
    lost: int = 0
    """Packages whose lease was gone when the work was to begin: somebody else has them."""

    @property
    def moved(self) -> tuple[int, ...]:
        """Packages whose contributors or commits became due by this."""
        return tuple(sorted({r.package_id for r in self.records if isinstance(r, MadeDue)}))

    @property
    def failed(self) -> tuple[Observed, ...]:
        """Records of sources that were requested and did not answer as they should."""
        observed = (record for record in self.records if isinstance(record, Observed) and not record.answered)
        return tuple(record for record in observed if record.outcome not in MADE_TO_WAIT)

    @property
    def waiting(self) -> int:
        """How many sources have to wait for quota, or for figures that the upstream is computing."""
        observed = (record.outcome for record in self.records if isinstance(record, Observed))
        deferrals = sum(isinstance(record, Deferral) for record in self.records)
        return deferrals + sum(outcome in MADE_TO_WAIT for outcome in observed)


def tell(claim: Claim, purpose: Purpose, targets: Sequence[Target], report: Report, took: timedelta) -> None:
    """One line for the batch and one for each failure: a warning while it is news, and no more than a note afterwards.

    A credential that is not accepted is one error, however many packages were in the batch.
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
    for record in report.failed:
        if record.outcome is not OutcomeKind.UNAUTHORIZED:
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
