"""Pages of the catalogue: searched, filtered and sorted; package states as SQL conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    text,
)

from fetcher.domain.scheduling import GONE_SPAN, GONE_STRIKES
from fetcher.domain.views import Column, Counted, Listed, ListedPackage, Listing, PackageState
from fetcher.store.dialects import COUNTED, apart_by, give_up_after, how_many
from fetcher.store.schema import FAILING, freshness, observations, packages, source_states
from fetcher.store.types import plain

_P, _O, _F, _S = packages.c, observations.c, freshness.c, source_states.c

FAILS = text(f"(({FAILING}) AND NOT (outcome = 'blocked' AND failures = 0))")
"""Condition of a failing row of ``source_states``, in parentheses to combine it with other conditions.

A list that is too large for the upstream to return is stored as blocked without a failure, and counts as answered. The
first part is the condition of the partial index, so that the databases use it.
"""

UNSUPPORTED = or_(
    _P.repo_unsupported.is_not(None),
    _P.project_unsupported.is_not(None),
    and_(_P.repo_host.is_(None), _P.project.is_(None)),
)
"""Condition of a package with an unsupported address, or without any."""

_SORTED_BY: Mapping[Column, ColumnElement[Any]] = {
    Column.ID: _P.id,
    Column.SLUG: _P.slug,
    Column.TITLE: func.lower(_P.title),
    Column.STARS: _O.stars,
    Column.FORKS: _O.forks,
    Column.VERSION: _O.pypi_latest,
    Column.LAST_UPDATED: _O.head_committed_at,
    Column.LAST_FETCHED: _F.last_fetched,
    Column.CREATED: _P.created,
    Column.MODIFIED: _P.modified,
}
_KEY_BESIDE: Mapping[Column, ColumnElement[int]] = {
    Column.STARS: _O.package_id,
    Column.FORKS: _O.package_id,
    Column.VERSION: _O.package_id,
    Column.LAST_UPDATED: _O.package_id,
    Column.LAST_FETCHED: _F.package_id,
}
"""The package id column beside a sort column that is in another table than ``packages``."""

_TROUBLED = frozenset({PackageState.GONE, PackageState.FAILING})
"""States that imply a failing source; selected through the partial index on failing sources."""

_BY_INDEX = frozenset({Column.ID, Column.SLUG})
"""Columns with a unique index, which returns a page in order without a sort."""

_SEARCHED = (_P.slug, _P.title, _P.repo_url, _O.description)

MATCHES = 1_000
"""Most matching packages counted. Beyond it, the count is reported as ``Counted.MORE``."""

STATEMENT_TIMEOUT = timedelta(seconds=10)
"""Longest time of one statement for a page. A search of a million descriptions takes seconds."""


def page(connection: Connection, wanted: Listing, stale_before: datetime) -> Listed:
    """Return the page ``wanted``. Packages last fetched before ``stale_before`` are stale.

    The ids are selected first, from one table where possible, then the lines of those ids only. A page far down the
    catalogue therefore costs an index scan and not a million joins.
    """
    give_up_after(connection, STATEMENT_TIMEOUT)
    chosen = _ids(connection, wanted, stale_before).limit(wanted.limit + 1).offset(wanted.offset)
    ids: list[int] = list(connection.execute(chosen).scalars())
    more, ids = len(ids) > wanted.limit, ids[: wanted.limit]
    lines = _lines(connection, Listing(), stale_before, ids).where(_P.id.in_(ids))
    found = {row.id: _line(row) for row in connection.execute(lines)} if ids else {}
    seen = wanted.offset + len(ids)
    count, counted = (seen, Counted.EXACT) if ids and not more else _count(connection, wanted, stale_before)
    rows = tuple(found[package_id] for package_id in ids if package_id in found)
    return Listed(max(count, seen + more) if ids else count, rows, more, counted)


def gone(connection: Connection) -> ColumnElement[bool]:
    """Return ``fetcher.domain.scheduling.is_gone`` as a condition on a row of ``source_states``."""
    return and_(
        _S.outcome == "gone",
        _S.failures >= GONE_STRIKES,
        apart_by(connection, _S.first_failed_at, _S.last_failed_at, GONE_SPAN),
    )


def _ids(connection: Connection, wanted: Listing, stale_before: datetime) -> Select[Any]:
    """Select the ids of all matching packages, in order."""
    if _is_whole(wanted) and wanted.sort is not Column.STATE:
        by = _SORTED_BY[wanted.sort]
        key = _KEY_BESIDE.get(wanted.sort, _P.id)
        if wanted.sort in _BY_INDEX:
            return select(key).order_by(by.desc() if wanted.descending else by)
        return select(key).order_by((by.desc() if wanted.descending else by).nulls_last(), key)
    lines = _lines(connection, wanted, stale_before)
    by = lines.selected_columns["state"] if wanted.sort is Column.STATE else _SORTED_BY[wanted.sort]
    chosen = lines.with_only_columns(_P.id, maintain_column_froms=True)
    if wanted.sort in _BY_INDEX:
        return chosen.order_by(by.desc() if wanted.descending else by)
    return chosen.order_by((by.desc() if wanted.descending else by).nulls_last(), _P.id)


def _is_whole(wanted: Listing) -> bool:
    """Return whether ``wanted`` has no filter, and so matches every package."""
    return wanted.state is None and wanted.upstream is None and not (plain(wanted.search) or "").split()


def _count(connection: Connection, wanted: Listing, stale_before: datetime) -> tuple[int, Counted]:
    """Return the number of matching packages, and its accuracy."""
    if not _is_whole(wanted):
        some = _lines(connection, wanted, stale_before).with_only_columns(_P.id, maintain_column_froms=True)
        found = connection.execute(select(func.count()).select_from(some.limit(MATCHES + 1).subquery())).scalar_one()
        return (found, Counted.EXACT) if found <= MATCHES else (MATCHES, Counted.MORE)
    found = how_many(connection, packages)
    return found, Counted.EXACT if found <= COUNTED or connection.dialect.name == "sqlite" else Counted.ABOUT


def _lines(
    connection: Connection, wanted: Listing, stale_before: datetime, only: Sequence[int] | None = None
) -> Select[Any]:
    """Select the lines of all matching packages, unordered. With ``only``, the state is right for those ids only."""
    troubled = _troubled(connection, only)
    state = _state(troubled, stale_before)
    lines = (
        select(
            _P.id,
            _P.slug,
            _P.title,
            _O.description,
            state.label("state"),
            _O.stars,
            _O.forks,
            _O.pypi_latest,
            _O.head_committed_at,
            _F.last_fetched,
            _P.repo_url,
            _P.pypi_url,
        )
        .join(observations, _O.package_id == _P.id)
        .join(freshness, _F.package_id == _P.id)
        .join(troubled, troubled.c.package_id == _P.id, isouter=wanted.state not in _TROUBLED)
    )
    for word in (plain(wanted.search) or "").split():
        lines = lines.where(or_(*(column.icontains(word, autoescape=True) for column in _SEARCHED)))
    if wanted.upstream is not None:
        lines = lines.where(exists().where(_S.package_id == _P.id, _S.upstream == wanted.upstream))
    if wanted.state is not None:
        lines = lines.where(state == wanted.state.value)
    return lines


def _troubled(connection: Connection, only: Sequence[int] | None) -> Subquery:
    """Select packages (of ``only``, if given) with a failing source, by the partial index, and whether one is gone."""
    worst = func.max(case((gone(connection), 1), else_=0)).label("gone")
    failing = select(_S.package_id, worst).where(FAILS).group_by(_S.package_id)
    if only is not None:
        failing = failing.where(_S.package_id.in_(only))
    return failing.subquery("troubled")


def _state(troubled: Subquery, stale_before: datetime) -> ColumnElement[str]:
    """Return ``PackageState`` as an SQL expression: the first condition that holds."""
    return case(
        (_P.retired_at.is_not(None), literal(PackageState.RETIRED.value)),
        (troubled.c.gone == 1, literal(PackageState.GONE.value)),
        (troubled.c.gone == 0, literal(PackageState.FAILING.value)),
        (UNSUPPORTED, literal(PackageState.UNSUPPORTED.value)),
        (_F.last_fetched.is_(None), literal(PackageState.NOT_FETCHED.value)),
        (_F.last_fetched < stale_before, literal(PackageState.STALE.value)),
        else_=literal(PackageState.FRESH.value),
    )


def _line(row: Row[Any]) -> ListedPackage:
    return ListedPackage(
        id=row.id,
        slug=row.slug,
        title=row.title,
        description=row.description or "",
        state=PackageState(row.state),
        stars=row.stars,
        forks=row.forks,
        version=row.pypi_latest,
        last_updated=row.head_committed_at,
        last_fetched=row.last_fetched,
        repo_url=row.repo_url,
        pypi_url=row.pypi_url,
    )
