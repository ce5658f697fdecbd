"""How a package stands, in SQL: the conditions that the listing and the figures share."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, or_, text

from fetcher.domain.scheduling import GONE_SPAN, GONE_STRIKES
from fetcher.store.dialects import apart_by
from fetcher.store.schema import FAILING, packages, source_states

_P, _S = packages.c, source_states.c

FAILS = text(f"({FAILING})")
"""A row of ``source_states`` that does not answer as it should, so that it can stand beside other conditions."""

UNSUPPORTED = or_(
    _P.repo_unsupported.is_not(None),
    _P.project_unsupported.is_not(None),
    and_(_P.repo_host.is_(None), _P.project.is_(None)),
)
"""The package states an address that is not fetched, or none at all."""


def gone(connection: Connection) -> ColumnElement[bool]:
    """``fetcher.domain.scheduling.is_gone`` of a row of ``source_states``."""
    return and_(
        _S.outcome == "gone",
        _S.failures >= GONE_STRIKES,
        apart_by(connection, _S.first_failed_at, _S.last_failed_at, GONE_SPAN),
    )
