"""Package states as SQL conditions, shared by the listing and the statistics."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, or_, text

from fetcher.domain.scheduling import GONE_SPAN, GONE_STRIKES
from fetcher.store.dialects import apart_by
from fetcher.store.schema import FAILING, packages, source_states

_P, _S = packages.c, source_states.c

FAILS = text(f"({FAILING})")
"""Condition of a failing row of ``source_states``, in parentheses to combine it with other conditions."""

UNSUPPORTED = or_(
    _P.repo_unsupported.is_not(None),
    _P.project_unsupported.is_not(None),
    and_(_P.repo_host.is_(None), _P.project.is_(None)),
)
"""Condition of a package with an unsupported address, or without any."""


def gone(connection: Connection) -> ColumnElement[bool]:
    """Return ``fetcher.domain.scheduling.is_gone`` as a condition on a row of ``source_states``."""
    return and_(
        _S.outcome == "gone",
        _S.failures >= GONE_STRIKES,
        apart_by(connection, _S.first_failed_at, _S.last_failed_at, GONE_SPAN),
    )
