"""Packages of the repositories that webhooks name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select

from fetcher.domain.hints import Hint
from fetcher.store.dialects import chunks
from fetcher.store.schema import observations, packages

_P = packages.c


def of_repositories(connection: Connection, hints: Sequence[Hint]) -> dict[Hint, list[int]]:
    """Return package ids by hint: see ``fetcher.store.packages.Packages.of_repositories``."""
    by_key = _by_key(connection, {key for hint in hints for key in hint.keys})
    found = {hint: [one for key in hint.keys for one in by_key.get(key, ())] for hint in hints}
    missing = {(hint.host, hint.repository_id) for hint, ids in found.items() if not ids and hint.repository_id}
    by_id = _by_id(connection, missing)
    for hint, ids in found.items():
        if not ids and hint.repository_id:
            ids.extend(by_id.get((hint.host, hint.repository_id), ()))
    return {hint: ids for hint, ids in found.items() if ids}


def _by_key(connection: Connection, keys: Collection[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for some in chunks(sorted(keys)):
        for row in connection.execute(select(_P.repo_key, _P.id).where(_P.repo_key.in_(some))):
            found[row.repo_key].append(row.id)
    return found


def _by_id(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[int]]:
    """Return package ids by host and repository id."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for some in chunks(sorted({repository_id for _, repository_id in wanted})):
        rows = connection.execute(
            select(_P.id, _P.repo_host, observations.c.repository_id)
            .join(observations, observations.c.package_id == _P.id)
            .where(observations.c.repository_id.in_(some))
        )
        for row in rows:
            found[row.repo_host, row.repository_id].append(row.id)
    return found
