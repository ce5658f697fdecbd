"""Intervals of a forge's cheap request, by a package's last activity. Pure.

A *sweep* requests statistics and heads of every package once. Where the quota allows it, every package has the
shortest interval. Otherwise the interval of a package grows with the square root of the time since its last push or
change of stars. For a limited number of requests, intervals in inverse proportion to the square root of the rate of
changes give the lowest mean age of a change when it is stored. Without activity for ``t``, the rate is about ``1 / t``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_DAY = timedelta(days=1)

SHORTEST = timedelta(minutes=5)
"""Shortest interval. A shorter one gains little beside the minute that a plan and the follow-up of a head take."""

LONGEST_UNIT = _DAY
"""Longest interval of packages with activity in the last day."""

LONGEST = timedelta(days=7)
"""Longest interval of any package."""

IDLE = tuple(_DAY * 4**power for power in range(6))
"""Upper bounds of the classes of activity: a day, 4, 16, 64, 256 and 1,024 days. The last class has no bound.

Each bound is four times the former, and each class's interval therefore twice that of the former class.
"""

CLASSES = len(IDLE) + 1


@dataclass(frozen=True, slots=True)
class Sweep:
    """The intervals at one upstream. ``unit`` is the first class's before the bounds are applied."""

    unit: timedelta
    scale: float = 1.0
    """Length of a second of the intervals, where quota windows are compressed."""

    def of_class(self, number: int) -> timedelta:
        """Return the interval of a class of activity."""
        interval: timedelta = self.unit * 2**number
        return min(max(interval, SHORTEST), LONGEST) * self.scale

    def interval(self, idle: timedelta | None) -> timedelta:
        """Return the interval of a package without activity for ``idle``; ``None``: the longest."""
        return self.of_class(class_of(None if idle is None else idle / self.scale))

    @property
    def is_shortest(self) -> bool:
        """True if every package has the shortest interval."""
        return self.longest == SHORTEST * self.scale

    @property
    def shortest(self) -> timedelta:
        return self.of_class(0)

    @property
    def longest(self) -> timedelta:
        return self.of_class(CLASSES - 1)

    def rate(self, packages: Sequence[int]) -> float:
        """Return the packages requested per hour, for the number of packages in each class."""
        hour = timedelta(hours=1) * self.scale
        return sum(count * (hour / self.of_class(number)) for number, count in enumerate(packages))


def class_of(idle: timedelta | None) -> int:
    """Return the class of a package without activity for ``idle``; the last one if its activity is unknown."""
    return CLASSES - 1 if idle is None else bisect_left(IDLE, idle)


SMALLEST_UNIT = SHORTEST / 2 ** (CLASSES - 1)
"""The unit at which every class has the shortest interval."""


def fitting(packages: Sequence[int], most: float) -> Sweep:
    """Return the shortest intervals at which at most ``most`` packages per hour are requested.

    If even the longest intervals need more, these are returned.
    """
    low, high = SMALLEST_UNIT, LONGEST_UNIT
    if Sweep(low).rate(packages) <= most:
        return Sweep(low)
    while high - low > high / _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if Sweep(middle).rate(packages) <= most else (middle, high)
    return Sweep(high)


_PRECISION = 1000
"""The unit is computed to this part of its value."""


class SweepLimit(StrEnum):
    """The reason that intervals are not shorter."""

    SHORTEST = "shortest"
    """Every package has the shortest interval."""
    QUOTA = "quota"
    """The share of the quota."""
    RATE = "rate"
    """The share of the requests or response seconds that are allowed in a short window."""
    EXCEEDED = "exceeded"
    """Even the longest intervals exceed the share."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """The intervals at one upstream, with the figures that they follow from."""

    upstream: str
    sweep: Sweep
    since: datetime
    """Time since which the intervals are in force."""
    computed_at: datetime
    packages: tuple[int, ...]
    """Number of packages in each class of activity."""
    limited_by: SweepLimit
    resource: str
    """The quota that the sweeps use."""
    quota: float
    """Requests per hour that this quota allows."""
    used: float
    """Requests per hour of the sweeps, and of what follows from moved heads."""
    placed_after: int | None = None
    """Id up to which due times were brought forward to the intervals; ``None``: all of them were."""

    @property
    def share(self) -> float:
        """Share of the quota that is used."""
        return self.used / self.quota if self.quota else 0.0

    @property
    def weighted(self) -> bool:
        """True if packages have different intervals."""
        return self.sweep.shortest != self.sweep.longest


def last_activity(known: datetime | None, *, seen: datetime, changed: bool, stated: Iterable[datetime]) -> datetime:
    """Return a repository's last activity after a response at the time ``seen``.

    ``changed``: the response has another head or other stars than the one before. ``stated``: the times of pushes and
    commits in the response; those after ``seen`` are of a wrong clock. A repository without any counts as active.
    """
    if changed:
        return seen
    past = [moment for moment in stated if moment <= seen]
    if known is not None:
        past.append(known)
    return max(past, default=seen)
