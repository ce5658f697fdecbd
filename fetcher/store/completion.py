"""Slugs for shell completion, read by the database's driver alone, because SQLAlchemy would delay each Tab."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

COMPLETIONS = 200
"""Most slugs offered by a shell completion."""

_SECONDS = 1
"""Seconds that a shell completion waits for the database."""

_SQLITE = "sqlite:///"
_QUERY = "SELECT slug FROM packages WHERE slug >= {0} ORDER BY slug LIMIT {1}"


def slugs_from(url: str, beginning: str) -> Sequence[str]:
    """Return the first slugs that start with ``beginning`` (index scan).

    No database is created or migrated. Database errors are left to the caller.
    """
    read = _from_sqlite if url.startswith(_SQLITE) else _from_postgres
    return [slug for slug in read(url, beginning) if slug.startswith(beginning)]


def _from_sqlite(url: str, beginning: str) -> list[str]:
    path = Path(url.removeprefix(_SQLITE).partition("?")[0]).absolute()
    if not path.is_file():
        return []
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_SECONDS)) as connection:
        return [row[0] for row in connection.execute(_QUERY.format("?", "?"), (beginning, COMPLETIONS))]


def _from_postgres(url: str, beginning: str) -> list[str]:
    import psycopg  # noqa: PLC0415  (SQLite needs no driver)

    address = f"postgresql{url[url.index('://') :]}"
    with psycopg.connect(address, connect_timeout=_SECONDS) as connection:
        return [row[0] for row in connection.execute(_QUERY.format("%s", "%s"), (beginning, COMPLETIONS))]
