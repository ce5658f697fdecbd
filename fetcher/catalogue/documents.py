"""Reader and writer of a package directory's v4 documents, byte for byte as the directory prints them.

Editors' fields are passed through unchanged. In the worker's fields, null, ``""`` and ``[]`` mean "unknown", so a
blanked document is a package never fetched. Unknown values are never printed as zero.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any, TypeGuard

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import WEEKS_SHOWN, CatalogueEntry, DocumentValues, StoredPackage
from fetcher.domain.text import unstorable

KEYS = (
    "category",
    "grids",
    "id",
    "title",
    "slug",
    "last_updated",
    "last_fetched",
    "repo_url",
    "pypi_version",
    "created",
    "modified",
    "repo_forks",
    "repo_description",
    "pypi_url",
    "documentation_url",
    "repo_watchers",
    "commits_over_52",
    "participants",
)
"""Every key of a document, in the directory's order."""

# fmt: off
EDITOR_KEYS = frozenset({
    "category", "grids", "id", "title", "slug", "repo_url", "created", "modified", "pypi_url", "documentation_url",
})
# fmt: on
WORKER_KEYS = frozenset(KEYS) - EDITOR_KEYS

_LARGEST_ID = 2**63 - 1
_LARGEST_COUNT = 2**31 - 1
_LARGEST_NUMBER_BITS = 1024
_DEEPEST = 32
_SHOWN = 60
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A rejected record: its first invalid field, the expected form and the actual value."""

    field: str
    expected: str
    got: str


class _Unfit(Exception):
    """Internal exception that ends the reading of a record; it never leaves this module."""

    def __init__(self, field: str, expected: str, got: str) -> None:
        super().__init__(field, expected, got)
        self.record = BadRecord(field, expected, got)


def read_document(raw: object) -> CatalogueEntry | BadRecord:
    """Convert one parsed JSON value to an entry, or to a ``BadRecord``. Unknown keys are kept in order."""
    if not isinstance(raw, Mapping):
        return BadRecord("document", "an object", shown(raw))
    try:
        return _entry(raw)
    except _Unfit as unfit:
        return unfit.record


def write_document(package: StoredPackage, zone: tzinfo, today: date) -> dict[str, Any]:
    """Return the document of ``package`` on ``today`` (UTC), with times in ``zone`` and unknown keys last."""
    entry, observed, stats, versions = package.entry, package.observed, package.stats, package.versions
    info = versions.info if versions else None
    found = info.documentation_url if info else None
    document: dict[str, Any] = {
        "category": entry.category,
        "grids": entry.grids,
        "id": entry.id,
        "title": entry.title,
        "slug": entry.slug,
        "last_updated": _printed(_last_updated(package), zone),
        "last_fetched": _printed(observed.last_fetched, zone),
        "repo_url": entry.repo_url,
        "pypi_version": versions.latest if versions else observed.pypi_version,
        "created": _printed(entry.created, zone),
        "modified": _printed(entry.modified, zone),
        "repo_forks": stats.forks if stats else observed.repo_forks,
        "repo_description": stats.description if stats else observed.repo_description or "",
        "pypi_url": entry.pypi_url,
        "documentation_url": entry.documentation_url or found or entry.documentation_url,
        "repo_watchers": stats.stars if stats else observed.repo_watchers,
        "commits_over_52": _weeks(package, today),
        "participants": list(observed.participants or ()),
    }
    return document | {key: value for key, value in entry.extra.items() if key not in document}


def dump(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Format one document or a list as the directory's files: indented by four, with a final newline."""
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"


def shown(value: object) -> str:
    """Describe any value for an error message: short and printable."""
    match value:
        case str():
            return ascii(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() <= 64:
            return str(value)
        case int():
            return f"an integer of {value.bit_length()} bits"
        case float():
            return repr(value)
        case Mapping():
            return f"an object of {len(value)} keys"
        case list() | tuple():
            return f"a list of {len(value)} items"
        case _:
            return f"a value of type {type(value).__name__}"


def _last_updated(package: StoredPackage) -> datetime | None:
    """Return the newest commit's date, or the imported one if only REST statistics, which lack it, are stored."""
    stats = package.stats
    if stats is None:
        return package.observed.last_updated
    return stats.head_committed_at or (None if stats.empty else package.observed.last_updated)


def _weeks(package: StoredPackage, today: date) -> list[int]:
    if package.commit_days is not None:
        return list(rolling_weeks(package.commit_days, today))
    return list(package.observed.commits_over_52 or ())


def _printed(moment: datetime | None, zone: tzinfo) -> str | None:
    return moment.astimezone(zone).isoformat() if moment else None


def _entry(raw: Mapping[Any, Any]) -> CatalogueEntry:
    slug = _slug(raw.get("slug"))
    for key, value in raw.items():
        if not isinstance(key, str):
            raise _Unfit("document", "keys that are texts", shown(key))
        if key in {"category", "grids"} or key not in KEYS:
            _check_json(key if key in KEYS else shown(key), {key: value})
    return CatalogueEntry(
        slug=slug,
        title=_text(raw, "title") or slug,
        id=_id(raw.get("id")),
        category=raw.get("category"),
        grids=raw.get("grids"),
        repo_url=_text(raw, "repo_url"),
        pypi_url=_text(raw, "pypi_url"),
        documentation_url=_text(raw, "documentation_url"),
        created=_moment(raw, "created"),
        modified=_moment(raw, "modified"),
        extra={key: value for key, value in raw.items() if key not in KEYS},
        observed=_observed(raw),
    )


def _observed(raw: Mapping[str, Any]) -> DocumentValues | None:
    observed = DocumentValues(
        repo_watchers=_count(raw, "repo_watchers"),
        repo_forks=_count(raw, "repo_forks"),
        repo_description=_text(raw, "repo_description") or None,
        participants=_names(raw, "participants"),
        commits_over_52=_week_counts(raw, "commits_over_52"),
        last_updated=_moment(raw, "last_updated"),
        pypi_version=_text(raw, "pypi_version") or None,
        last_fetched=_moment(raw, "last_fetched"),
    )
    return observed if observed != DocumentValues() else None


def _slug(value: object) -> str:
    if not isinstance(value, str) or not _SLUG.fullmatch(value):
        raise _Unfit("slug", "1 to 255 letters, digits, hyphens and underscores", shown(value))
    return value


def _id(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_ID:
        raise _Unfit("id", f"an integer from 1 to {_LARGEST_ID}, or null", shown(value))
    return value


def _text(raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise _Unfit(key, "a text or null", shown(value))
    if value is not None:
        _check_text(key, value)
    return value


def _moment(raw: Mapping[str, Any], key: str) -> datetime | None:
    value = raw.get(key)
    if value is None or (value == "" and key in WORKER_KEYS):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None and 1 < moment.year < 9999:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _Unfit(key, "a time with its offset, such as 2026-02-15T17:15:22-05:00", shown(value))


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    return None if value is None or value == "" else _counted(key, value)


def _week_counts(raw: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
    values = _list(raw, key)
    if values is None:
        return None
    if len(values) != WEEKS_SHOWN:
        raise _Unfit(key, f"{WEEKS_SHOWN} integers", shown(values))
    for i, value in enumerate(values):
        if not _is_count(value):
            _counted(f"{key}[{i}]", value)
    return tuple(values)


def _names(raw: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    values = _list(raw, key)
    for i, value in enumerate(values or ()):
        if not isinstance(value, str):
            raise _Unfit(f"{key}[{i}]", "a login", shown(value))
        _check_text(f"{key}[{i}]", value)
    return None if values is None else tuple(values)


def _list(raw: Mapping[str, Any], key: str) -> list[Any] | None:
    value = raw.get(key)
    if value is None or value in ("", []):
        return None
    if not isinstance(value, list):
        raise _Unfit(key, "a list", shown(value))
    return value


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT


def _counted(field: str, value: object) -> int:
    if not _is_count(value):
        raise _Unfit(field, f"an integer from 0 to {_LARGEST_COUNT}", shown(value))
    return value


def _check_text(field: str, text: str) -> None:
    """Reject a text with NUL or a lone surrogate, which PostgreSQL cannot store.

    The text itself is not shown, because it may hold a secret.
    """
    fault = None if text.isprintable() else unstorable(text)
    if fault is not None:
        raise _Unfit(field, "a text of storable characters", f"{fault[0]!a} at character {fault.start() + 1}")


def _check_json(field: str, value: object) -> None:
    """Reject JSON values that cannot be stored or printed. Walks without recursion."""
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > _DEEPEST:
            raise _Unfit(field, f"at most {_DEEPEST} levels", "more")
        match one:
            case str():
                _check_text(field, one)
            case None | bool():
                pass
            case int() if one.bit_length() <= _LARGEST_NUMBER_BITS:
                pass
            case float() if math.isfinite(one):
                pass
            case list():
                waiting.extend((item, depth + 1) for item in one)
            case dict() if all(isinstance(key, str) for key in one):
                waiting.extend((item, depth + 1) for pair in one.items() for item in pair)
            case _:
                raise _Unfit(field, "a value of JSON", shown(one))
