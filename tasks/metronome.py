"""The time that beat counts by: it starts as the machine's, and no setting of the machine's clock moves it.

Celery's beat compares the clock with moments that it noted before. Where the clock is set back an hour, by hand or by
whoever keeps it right, it would wait for those moments to come again, and plan nothing for that hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from celery.schedules import schedule


def steady_time(began: datetime, steady: Callable[[], float] = time.monotonic) -> Callable[[], datetime]:
    """A clock that shows ``began`` now, and goes on by ``steady``, which counts seconds."""
    zero = steady()
    return lambda: began + timedelta(seconds=steady() - zero)


_now = steady_time(datetime.now(UTC))


def ticking(every: timedelta) -> schedule:
    """Due each time that ``every`` has passed, whatever the machine's clock says."""
    return schedule(every, nowfun=_now)
