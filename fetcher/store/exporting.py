"""The whole catalogue in the order of its ids, a stretch at a time."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from fetcher.domain.model import StoredPackage
from fetcher.store.listing import packages_of
from fetcher.store.schema import packages


def after(connection: Connection, package_id: int, limit: int) -> list[StoredPackage]:
    """What documents are printed from: the first packages whose ids are above ``package_id``.

    By key rather than by offset: each stretch costs the same, however far it lies.
    """
    following = select(packages.c.id).where(packages.c.id > package_id).order_by(packages.c.id).limit(limit)
    return packages_of(connection, list(connection.execute(following).scalars()))


def size(connection: Connection) -> int:
    """How many packages there are."""
    return connection.execute(select(func.count()).select_from(packages)).scalar_one()
