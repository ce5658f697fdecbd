"""Inspection of the site's tables: columns, types, widths, unique keys, sequences and the role's rights. Reads only."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, text

from fetcher.sites.django_packages.layout import PACKAGE, VERSION, ColumnFacts, TableFacts

TABLES = (PACKAGE, VERSION, "package_commit")

_COLUMNS = text("""
    SELECT c.relname AS table_name, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_select,
           has_column_privilege(c.oid, a.attnum, 'UPDATE') AS may_update,
           has_column_privilege(c.oid, a.attnum, 'INSERT') AS may_insert
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.oid IN (SELECT to_regclass(name) FROM unnest(CAST(:tables AS text[])) AS name)
""")
_UNIQUE = text("""
    SELECT i.indrelid::regclass::text AS table_name, array_agg(a.attname::text ORDER BY a.attname) AS names
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
    WHERE i.indisunique AND i.indpred IS NULL
      AND i.indrelid IN (SELECT to_regclass(name) FROM unnest(CAST(:tables AS text[])) AS name)
    GROUP BY i.indexrelid, i.indrelid
""")
_SEQUENCE = text("""
    SELECT pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%' AS serial,
           pg_get_serial_sequence(:name, 'id') AS sequence
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass(:name) AND a.attname = 'id'
""")
_USABLE = text("SELECT has_sequence_privilege(:sequence, 'USAGE')")


def inspect(connection: Connection) -> dict[str, TableFacts]:
    """Return the site's tables that exist, by name."""
    columns: dict[str, dict[str, ColumnFacts]] = defaultdict(dict)
    for row in connection.execute(_COLUMNS, {"tables": list(TABLES)}):
        facts = ColumnFacts(row.type, row.may_select, row.may_update, row.may_insert)
        columns[row.table_name][row.name] = facts
    unique: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in connection.execute(_UNIQUE, {"tables": list(TABLES)}):
        unique[row.table_name].add(tuple(row.names))
    sequence, usable = _sequence(connection) if VERSION in columns else (None, True)
    return {
        name: TableFacts(
            found,
            frozenset(unique[name]),
            sequence if name == VERSION else None,
            usable if name == VERSION else True,
        )
        for name, found in columns.items()
    }


def _sequence(connection: Connection) -> tuple[str | None, bool]:
    """Return the sequence of a serial id of versions, and whether the role may use it; an identity needs no right."""
    row = connection.execute(_SEQUENCE, {"name": VERSION}).one_or_none()
    if row is None or not row.serial or row.sequence is None:
        return None, True
    return row.sequence, bool(connection.execute(_USABLE, {"sequence": row.sequence}).scalar())
