"""The end of an API version, as responses announce it before requests are refused with 410.

Sources: RFC 9745 (``Deprecation``), RFC 8594 (``Sunset``), GitHub's "API Versions". Implementations write these headers
in several forms: an HTTP date, ``@`` and a Unix time, an ISO 8601 date, or the word ``true``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NOTHING = ("", "false", "?0")
"""Header values that announce nothing."""
_UNIX = re.compile(r"@?(\d{1,12})", re.ASCII)
_LONGEST_DATE = 64
"""Maximum length of a header that is read as a date, in characters."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """An announced end. Each time is ``None`` if its header is absent or has no readable date."""

    deprecated_at: datetime | None
    """Time of the version's deprecation, after which it still works."""
    sunset_at: datetime | None
    """Time at which the upstream stops serving the version."""


def read_retirement(headers: Mapping[str, str]) -> Retirement | None:
    """Read ``Deprecation`` and ``Sunset`` (names in lower case); ``None`` if they announce nothing."""
    deprecation, sunset = (headers.get(name, "").strip().strip('"') for name in ("deprecation", "sunset"))
    if deprecation.lower() in _NOTHING and sunset.lower() in _NOTHING:
        return None
    return Retirement(_moment(deprecation), _moment(sunset))


def _moment(text: str) -> datetime | None:
    """Read a date in any of the forms above, in UTC; ``None`` for any other text."""
    text = text[:_LONGEST_DATE]
    unix = _UNIX.fullmatch(text)
    try:
        if unix is not None:
            return datetime.fromtimestamp(int(unix[1]), UTC)
        return _in_utc(_dated(text))
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None


def _dated(text: str) -> datetime:
    """Parse an ISO 8601 date or an HTTP date; raise as the standard library's parsers do."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
