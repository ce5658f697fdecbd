"""Monotonic schedule of beat, unaffected by changes of the machine's clock.

Celery's beat compares the clock with times that it noted before. If the clock is set back by an hour, manually or by
NTP, beat would plan nothing for that hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from celery.schedules import schedule


def steady_time(began: datetime, steady: Callable[[], float] = time.monotonic) -> Callable[[], datetime]:
    """Return a clock that starts at ``began`` and advances with ``steady``, which counts seconds."""
    zero = steady()
    return lambda: began + timedelta(seconds=steady() - zero)


_now = steady_time(datetime.now(UTC))


def ticking(every: timedelta) -> schedule:
    """Return a schedule that is due each time ``every`` has passed, independent of the machine's clock."""
    return schedule(every, nowfun=_now)
