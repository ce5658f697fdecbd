"""The full catalogue in the order of its ids, in pages."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from fetcher.domain.model import StoredPackage
from fetcher.store.listing import packages_of
from fetcher.store.schema import packages


def after(connection: Connection, package_id: int, limit: int) -> list[StoredPackage]:
    """Return the first ``limit`` packages with ids above ``package_id``, as in ``packages_of``.

    Keyset pagination instead of an offset: every page costs the same.
    """
    following = select(packages.c.id).where(packages.c.id > package_id).order_by(packages.c.id).limit(limit)
    return packages_of(connection, list(connection.execute(following).scalars()))


def size(connection: Connection) -> int:
    """Return the number of packages."""
    return connection.execute(select(func.count()).select_from(packages)).scalar_one()
