"""A project's releases: only rows that differ from the response are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select

from fetcher.domain.model import ProjectVersions, Release
from fetcher.store.dialects import upsert
from fetcher.store.schema import releases
from fetcher.store.types import plain

_R = releases.c


def save(connection: Connection, versions: Mapping[int, ProjectVersions]) -> None:
    """Replace the stored releases of these packages by those of the responses, in their order."""
    if not versions:
        return
    stored: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    rows = select(releases).where(_R.package_id.in_(sorted(versions)))
    for row in connection.execute(rows).mappings():
        stored[row["package_id"]][row["number"]] = dict(row)
    changed: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for package_id in sorted(versions):
        wanted = _rows(package_id, versions[package_id].releases)
        known = stored[package_id]
        changed += [row for number, row in wanted.items() if known.get(number) != row]
        gone += [{"of_package": package_id, "of_number": number} for number in known if number not in wanted]
    upsert(connection, releases, changed)
    if gone:
        named = (_R.package_id == bindparam("of_package"), _R.number == bindparam("of_number"))
        connection.execute(delete(releases).where(*named), gone)


def load(connection: Connection, package_id: int) -> tuple[Release, ...]:
    """Return the releases of one package, in PEP 440's order."""
    rows = select(releases).where(_R.package_id == package_id).order_by(_R.position)
    return tuple(_release(row) for row in connection.execute(rows))


def _rows(package_id: int, found: Sequence[Release]) -> dict[str, dict[str, Any]]:
    """Return rows by release number; of two releases with one number the later one counts."""
    rows: dict[str, dict[str, Any]] = {}
    for position, release in enumerate(found):
        number = plain(release.number) or ""
        rows[number] = {
            "package_id": package_id,
            "number": number,
            "position": position,
            "uploaded_at": release.uploaded_at,
            "yanked": release.yanked,
            "yanked_reason": plain(release.yanked_reason),
            "requires_python": plain(release.requires_python),
            "prerelease": release.prerelease,
            "files": release.files,
        }
    return rows


def _release(row: Row[Any]) -> Release:
    return Release(
        number=row.number,
        uploaded_at=row.uploaded_at,
        yanked=row.yanked,
        yanked_reason=row.yanked_reason,
        requires_python=row.requires_python,
        prerelease=row.prerelease,
        files=row.files,
    )
