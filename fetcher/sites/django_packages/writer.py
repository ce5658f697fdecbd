"""Writes of the site's rows: locked, compared again, and only the columns that differ.

Rows that change the same columns share one statement. If the database refuses it, each row is written alone in a
savepoint, so that one bad row does not hold back its neighbours.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fetcher.domain.sites import ColumnChange, JournalEntry, RowChange, SiteRow, SiteValues
from fetcher.domain.text import one_line
from fetcher.sites.base import Journal, Written
from fetcher.sites.django_packages import rows
from fetcher.sites.django_packages.connection import is_refusal
from fetcher.sites.django_packages.layout import F2, PACKAGE, VERSION, VERSION_INSERTED, Layout
from fetcher.sites.django_packages.projection import Projection, differs

_LATEST = "latest_version_id"
_OF_VERSION = "version"
"""Prefix of the journal's names of a version's columns: ``version.ID.COLUMN``."""


@dataclass(slots=True)
class _Batch:
    """The rows of one transaction, sorted by result."""

    written: list[RowChange] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def write(
    connection: Connection,
    projection: Projection,
    changes: Sequence[RowChange],
    values: Mapping[int, SiteValues],
    now: datetime,
    journal: Journal,
) -> Written:
    """Write the differences of these packages in the connection's transaction, which the caller commits.

    ``journal`` is called last, after the database has accepted every row and before the commit.
    """
    given = {one.row.id: one for one in changes}
    found = connection.execute(rows.locked(projection.layout, sorted(given)))
    locked = [rows.row_of(row, projection.layout, given[row.id].row) for row in found]
    current = (_current(given[row.id], row, projection, values[row.id], now) for row in locked)
    batch = _apply(connection, projection.layout, [one for one in current if one.changes], now)
    entries = [entry for one in batch.written if (entry := _journal_entry(one)) is not None]
    if entries:
        journal(entries)
    written = tuple(one.row.id for one in batch.written)
    seen = {row.id for row in locked}
    return Written(
        written=written,
        unchanged=tuple(sorted(seen - set(written) - batch.refused.keys())),
        locked=tuple(sorted(given.keys() - seen)),
        refused=batch.refused,
    )


def _current(change: RowChange, row: SiteRow, projection: Projection, values: SiteValues, now: datetime) -> RowChange:
    """Return the difference of a row that is now locked. Its address may have changed since it was read."""
    if row is change.row:
        return change
    if projection.left_out(values, row) is not None:
        return RowChange(row)
    return projection.compare(values, row, now)


def _apply(connection: Connection, layout: Layout, changes: Sequence[RowChange], now: datetime) -> _Batch:
    """Write all rows together; if the database refuses that, write each alone."""
    batch = _Batch()
    if not changes:
        return batch
    groups: list[Sequence[RowChange]] = [changes]
    while groups:
        group = groups.pop(0)
        try:
            with connection.begin_nested():
                batch.written += _write_rows(connection, layout, group, now)
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            if len(group) == 1:
                batch.refused[group[0].row.id] = _reason(error)
            else:
                groups += [[one] for one in group]
    return batch


def _write_rows(connection: Connection, layout: Layout, changes: Sequence[RowChange], now: datetime) -> list[RowChange]:
    """Write versions, then packages; returns the changes that were made, with the id of the latest version."""
    versions = ((one.row.id, _wanted_version(one)) for one in changes if layout.has_versions)
    wanted = {package_id: version for package_id, version in versions if version}
    ids, updates = _save_versions(connection, layout, wanted, now)
    made: list[RowChange] = []
    for one in changes:
        columns = [change for change in one.changes if not change.version]
        latest, live = ids.get(one.row.id), one.row.columns.get(_LATEST)
        if _LATEST in layout.written and latest is not None and latest != live:
            columns.append(ColumnChange(_LATEST, live, latest))
        made.append(replace(one, changes=(*columns, *updates.get(one.row.id, ()))))
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in made:
        new = {change.column: change.after for change in one.changes if not change.version}
        if new:
            alike[tuple(sorted(new))].append({"id": one.row.id, **new})
    for names, of_names in sorted(alike.items()):
        _update(connection, PACKAGE, {name: layout.package.columns[name].type for name in names}, of_names)
    return made


def _wanted_version(change: RowChange) -> dict[str, Any]:
    """Return the columns to write of the latest version's row, with its number; empty if nothing of it differs."""
    wanted = {one.column: one.after for one in change.changes if one.version}
    if wanted and "number" not in wanted and change.row.version is not None:
        wanted["number"] = change.row.version["number"]
    return wanted


def _save_versions(
    connection: Connection, layout: Layout, wanted: Mapping[int, dict[str, Any]], now: datetime
) -> tuple[dict[int, int], dict[int, list[ColumnChange]]]:
    """Insert versions that are missing and update those that differ.

    Returns the version's id and the changes of an existing version, by package. The lock of the package's row keeps
    Fetcher's own writers apart, also where no unique key does.
    """
    if not wanted:
        return {}, {}
    found = _find_versions(connection, layout, wanted)
    missing = {package_id: wanted[package_id] for package_id in sorted(wanted) if package_id not in found}
    added = _insert_versions(connection, layout, missing, now)
    updates: dict[int, list[ColumnChange]] = {}
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for package_id, live in found.items():
        new = {
            name: value
            for name, value in wanted[package_id].items()
            if name in layout.version_updated and differs(name, live[name], value)
        }
        if new:
            keyed = {f"{_OF_VERSION}.{live['id']}.{name}": (live[name], value) for name, value in new.items()}
            updates[package_id] = [ColumnChange(key, *pair, version=True) for key, pair in keyed.items()]
            if "modified" in layout.version_updated:
                new["modified"] = now
            alike[tuple(sorted(new))].append({"id": live["id"], **new})
    for names, of_names in sorted(alike.items()):
        _update(connection, VERSION, {name: layout.version.columns[name].type for name in names}, of_names)
    return added | {package_id: row["id"] for package_id, row in found.items()}, updates


def _find_versions(
    connection: Connection, layout: Layout, wanted: Mapping[int, dict[str, Any]]
) -> dict[int, Mapping[str, Any]]:
    """Return the versions with these numbers, by package.

    Of duplicates, the oldest row counts, or the newest if the site shows the newest row of each package.
    """
    listed = ", ".join(f"v.{name}" for name in layout.version_read)
    statement = text(
        f"SELECT {listed} FROM {VERSION} v "  # noqa: S608  (constant names)
        "JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(package_id bigint, number text) "
        "ON v.package_id = n.package_id AND v.number = n.number "
        f"ORDER BY v.id {'DESC' if _LATEST in layout.read else 'ASC'}"
    )
    keys = [{"package_id": package_id, "number": one["number"]} for package_id, one in wanted.items()]
    return {row["package_id"]: dict(row) for row in connection.execute(statement, {"rows": _json(keys)}).mappings()}


def _insert_versions(
    connection: Connection, layout: Layout, wanted: Mapping[int, dict[str, Any]], now: datetime
) -> dict[int, int]:
    """Insert versions and return their ids by package.

    The site's own updater does not take the lock. A version that it added since is found again instead.
    """
    if not wanted:
        return {}
    names = [name for name in VERSION_INSERTED if name in layout.version.columns]
    unstated = {"downloads": -1 if layout.form == F2 else 0, "hidden": False, "created": now, "modified": now}
    defaults = {**unstated, "development_status": 0, "supports_python3": False}
    added = [{**defaults, "package_id": package_id, **one} for package_id, one in sorted(wanted.items())]
    listed = ", ".join(names)
    typed = ", ".join(f"{name} {layout.version.columns[name].type}" for name in names)
    unless = "ON CONFLICT DO NOTHING" if layout.one_version_a_number else ""
    statement = text(
        f"INSERT INTO {VERSION} ({listed}) "  # noqa: S608  (constant names, and types from the catalogue)
        f"SELECT {listed} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n({typed}) ORDER BY package_id {unless} "
        "RETURNING package_id, id"
    )
    ids: dict[int, int] = {row[0]: row[1] for row in connection.execute(statement, {"rows": _json(added)})}
    others = {package_id: one for package_id, one in wanted.items() if package_id not in ids}
    if others:
        ids |= {package_id: row["id"] for package_id, row in _find_versions(connection, layout, others).items()}
    return ids


def _update(connection: Connection, table: str, types: Mapping[str, str], changed: Iterable[Mapping[str, Any]]) -> None:
    """Set the same columns of several rows in one statement."""
    typed = ", ".join(["id bigint", *(f"{name} {kind}" for name, kind in types.items())])
    assigned = ", ".join(f"{name} = n.{name}" for name in types)
    statement = text(
        f"UPDATE {table} AS t SET {assigned} "  # noqa: S608  (constant names, and types from the catalogue)
        f"FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n({typed}) WHERE t.id = n.id"
    )
    connection.execute(statement, {"rows": _json(list(changed))})


def touch(connection: Connection, changes: Sequence[RowChange]) -> int:
    """Advance ``last_fetched`` in one statement, where the addresses are still those that were compared."""
    statement = text(
        f"""
        WITH held AS (
            SELECT p.id, n.last_fetched
            FROM {PACKAGE} AS p JOIN jsonb_to_recordset(CAST(:rows AS jsonb))
                AS n(id bigint, last_fetched timestamptz, repo_url text, pypi_url text)
                ON p.id = n.id AND p.repo_url = n.repo_url AND p.pypi_url = n.pypi_url
                AND (p.last_fetched IS NULL OR p.last_fetched < n.last_fetched)
            ORDER BY p.id FOR NO KEY UPDATE OF p SKIP LOCKED
        )
        UPDATE {PACKAGE} AS p SET last_fetched = held.last_fetched FROM held WHERE p.id = held.id
        """  # noqa: S608  (constant names)
    )
    touched = [
        {
            "id": one.row.id,
            "last_fetched": one.changes[0].after,
            "repo_url": one.row.columns["repo_url"],
            "pypi_url": one.row.columns["pypi_url"],
        }
        for one in changes
    ]
    return connection.execute(statement, {"rows": _json(touched)}).rowcount if touched else 0


def revert(connection: Connection, layout: Layout, entries: Sequence[JournalEntry]) -> int:
    """Restore first overwritten values where the written ones still stand; returns the number of values."""
    restored = 0
    given: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in entries:
        for key in one.before.keys() & one.written.keys():
            table, row_id, column = _place(key, one.package_id)
            given[table, column].append({"id": row_id, "b": one.before[key], "w": one.written[key]})
    for (table, column), overwritten in sorted(given.items()):
        facts = (layout.package if table == PACKAGE else layout.version).columns.get(column)
        if facts is None:
            continue
        statement = text(
            f"UPDATE {table} AS t SET {column} = n.b "  # noqa: S608  (names of columns that exist)
            f"FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(id bigint, b {facts.type}, w {facts.type}) "
            f"WHERE t.id = n.id AND t.{column} IS NOT DISTINCT FROM n.w AND t.{column} IS DISTINCT FROM n.b"
        )
        restored += connection.execute(statement, {"rows": _json(overwritten)}).rowcount
    return restored


def _place(key: str, package_id: int) -> tuple[str, int, str]:
    """Return the table, the row's id and the column that a name of the journal stands for."""
    if "." not in key:
        return PACKAGE, package_id, key
    _, row_id, column = key.split(".", 2)
    return VERSION, int(row_id), column


def _journal_entry(change: RowChange) -> JournalEntry | None:
    """Return the overwritten values as JSON; ``None`` if only new rows of versions were added."""
    if not change.changes:
        return None
    before, written = {}, {}
    for one in change.changes:
        before[one.column], written[one.column] = _plain(one.before), _plain(one.after)
    return JournalEntry(change.row.id, before, written)


def _reason(error: DBAPIError) -> str:
    """Return the server's message in one line. It names the constraint or type, and no other package's values."""
    message = getattr(getattr(error.orig, "diag", None), "message_primary", None) or type(error.orig).__name__
    return f"refused by the site's database: {one_line(str(message), 160)}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _json(found: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(found, default=_plain, ensure_ascii=False, separators=(",", ":"))
