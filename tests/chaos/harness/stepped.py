"""Celery's command in a process whose clock is somebody else's: ``python -m tests.chaos.harness.stepped worker …``.

The clock is libfaketime's. Its ``clock_nanosleep`` takes a steady clock that is left alone for one that it has altered,
and refuses Python's ``time.sleep`` with EINVAL (0.9.10): so one sleeps by ``select`` here. Nothing else is different.
"""

from __future__ import annotations

import select
import sys
import time


def _sleep(seconds: float, /) -> None:
    select.select((), (), (), seconds)


if __name__ == "__main__":
    time.sleep = _sleep  # before anybody imports it
    from celery.__main__ import main

    sys.exit(main())
