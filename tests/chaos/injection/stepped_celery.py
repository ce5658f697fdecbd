"""Celery's command in a process with libfaketime's clock: ``python -m tests.chaos.injection.stepped_celery worker …``.

libfaketime's ``clock_nanosleep`` treats the monotonic clock as an altered one even if that clock is left alone. It
rejects Python's ``time.sleep`` with EINVAL (0.9.10), so this module sleeps by ``select``. It changes nothing else.
"""

from __future__ import annotations

import select
import sys
import time


def _sleep(seconds: float, /) -> None:
    select.select((), (), (), seconds)


if __name__ == "__main__":
    time.sleep = _sleep  # before another module imports it
    from celery.__main__ import main

    sys.exit(main())
