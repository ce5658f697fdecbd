"""The CPU of a benchmark itself, and its end. ``tests.harness.processes`` has the same of its child processes."""

from __future__ import annotations

import resource
import signal


def end_well() -> None:
    """Unwind the benchmark on SIGTERM and SIGINT, so that all of its processes end, also in a background job."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def own_cpu() -> float:
    """Return user and system seconds of this process, to the microsecond."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
