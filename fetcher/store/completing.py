"""Slugs for shell completion, within about a second; no database is created or migrated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import make_url, select

from fetcher.store.engine import open_engine
from fetcher.store.schema import packages

MOST = 200
_SECONDS = 1


def slugs_from(url: str, beginning: str) -> Sequence[str]:
    """Return the first slugs that start with ``beginning`` (index scan). Database errors are left to the caller."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        return ()
    engine = open_engine(url, pool_size=1, timeout=_SECONDS)
    slug = packages.c.slug
    try:
        with engine.connect() as connection:
            following = select(slug).where(slug >= beginning).order_by(slug).limit(MOST)
            return [one for one in connection.execute(following).scalars() if one.startswith(beginning)]
    finally:
        engine.dispose()
