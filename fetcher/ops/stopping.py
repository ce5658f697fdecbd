"""The signals that stop a supervisor."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """Record of the arrival of one of ``STOPPING``, whose handlers this object replaces.

    The handler writes to a pipe. ``threading.Event.set`` would block on the lock that the event's own ``wait`` holds,
    if the signal interrupts the wait at the wrong moment.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        for number in STOPPING:
            signal.signal(number, lambda *_: self._arrived())

    def _arrived(self) -> None:
        with suppress(BlockingIOError):  # full: it has been told often enough
            os.write(self._writer, b"\0")

    def is_set(self) -> bool:
        """Return whether a signal has arrived."""
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait for a signal, and return whether one has arrived."""
        readable, _, _ = select.select([self._reader], [], [], seconds)
        return bool(readable)
