"""Values that the site derives from others: score, Python 3, licences and development status. Pure."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

LOWEST_SCORE = -500
_LARGEST_PENALTY = 1000.0
_NEWEST_PYTHON_3 = 14
_PYTHON_3 = "Programming Language :: Python :: 3"
_STATUS = re.compile(r"Development Status :: ([0-7])(?!\d)")
_LICENCE = "License ::"
_LONGEST_NAME = 20
CUSTOM = "Custom"
"""The site's word for a licence text that is too long to be a name."""


def score(watchers: int, last_committed: datetime | None, *, supports_python3: bool | None, now: datetime) -> int:
    """Return the site's score: watchers, less a tenth for each quarter without a commit, less 30 % without Python 3."""
    quarters = 1 if last_committed is None else months_between(last_committed, now) // 3
    away = quarters * watchers / 10
    outdated = 0.0 if supports_python3 else min(0.3 * watchers, _LARGEST_PENALTY)
    return max(LOWEST_SCORE, int(watchers - away - outdated))


def months_between(start: datetime, end: datetime) -> int:
    """Return the number of full calendar months (UTC). In a shorter month, the last day completes a month."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end < start:
        return 0
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if plus_months(start, months) <= end else months - 1


def plus_months(start: datetime, months: int) -> datetime:
    """Return ``start`` moved by calendar months, on the last day of a shorter month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))


def equal_until(last_committed: datetime | None, now: datetime) -> datetime:
    """Return the time until which weeks and score stay as they are: midnight (UTC), or the next full month."""
    now = now.astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if last_committed is None or last_committed > now:
        return midnight
    return min(midnight, plus_months(last_committed.astimezone(UTC), months_between(last_committed, now) + 1))


def supports_python3(requires_python: str | None, classifiers: Sequence[str] | None) -> bool | None:
    """Return whether the release supports Python 3; ``None`` if neither value decides it.

    A valid ``requires_python`` decides. Otherwise, a classifier of Python 3 counts.
    """
    admits = _admits_python3(requires_python) if requires_python else None
    if admits is not None:
        return admits
    return True if any(one.startswith(_PYTHON_3) for one in classifiers or ()) else None


@lru_cache(maxsize=4096)
def _admits_python3(requires_python: str) -> bool | None:
    """Return whether the specifier admits a version from 3.0 to 3.14; ``None`` for one that is not valid."""
    try:
        specifier = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return None
    return any(specifier.contains(f"3.{minor}", prereleases=True) for minor in range(_NEWEST_PYTHON_3 + 1))


def licences(expression: str | None, text: str | None, classifiers: Sequence[str] | None) -> tuple[str, ...]:
    """Return the site's list of licences: the expression, otherwise the legacy text, then the classifiers' names."""
    stated = (expression or "").strip() or (text or "").strip()
    names = [_name(stated)] if stated else []
    names += [label.rpartition("::")[2].strip() for label in classifiers or () if label.startswith(_LICENCE)]
    return tuple(dict.fromkeys(name for name in names if name))


def _name(stated: str) -> str:
    """Return a licence as the site names it: unchanged if it is a classifier or short, otherwise ``Custom``."""
    return stated if stated.startswith(_LICENCE) or len(stated) <= _LONGEST_NAME else CUSTOM


def development_status(classifiers: Sequence[str] | None) -> int:
    """Return the number of the first classifier of the development status; 0 if there is none."""
    found = (_STATUS.match(label) for label in classifiers or ())
    return next((int(one[1]) for one in found if one is not None), 0)
