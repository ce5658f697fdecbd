"""The days on which a repository's forks and watchers are counted. Pure.

Without an account Bitbucket serves 60 requests an hour, 1,440 a day. Requested daily, the two totals would take two of
three requests. Each is therefore requested once in ``TOTAL_EVERY``. The time of the week follows from the package, and
the two totals lie half a week apart. 500 packages then take 643 requests a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fetcher.domain.model import Purpose, Source, Target
from fetcher.upstreams.bitbucket.requests import Total

TOTAL_EVERY = timedelta(days=7)
"""Interval between two requests of one total. A shorter one costs requests, a longer one shows older counts."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = 336
"""Half hours of a week, over which the packages are spread."""
_SPREAD = 97
"""A number without a common divisor with ``_PLACES``: neighbouring packages are counted on different days."""


def due_totals(target: Target, now: datetime, purpose: Purpose) -> tuple[Total, ...]:
    """Return the totals to request with the repository: unknown ones, and those whose turn has come since its answer.

    A user who refreshes one package gets both. A total that could not be requested keeps its stored value until its
    next turn, and an unknown one is requested again the next time.
    """
    if purpose is Purpose.MANUAL:
        return tuple(Total)
    answered_at = target.state(Source.REPOSITORY).answered_at
    stored = {Total.FORKS: target.forks, Total.WATCHERS: target.watchers}
    return tuple(
        total
        for total in Total
        if stored[total] is None
        or answered_at is None
        or _turn(target.package_id, total, answered_at) != _turn(target.package_id, total, now)
    )


def _turn(package_id: int, total: Total, moment: datetime) -> int:
    """Return the number of the interval that ``moment`` lies in, counted from the package's own time of the week."""
    place = package_id * _SPREAD % _PLACES / _PLACES + (0.5 if total is Total.WATCHERS else 0.0)
    return (moment - _EPOCH - place * TOTAL_EVERY) // TOTAL_EVERY
