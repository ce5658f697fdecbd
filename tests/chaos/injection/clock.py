"""A machine clock that is stepped for some processes only, while all others keep the true time.

libfaketime replaces the C library's clock functions in the processes that are started with it. It reads the offset from
a file at each call. The monotonic clock is left alone, as on a machine whose time is set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.chaos.injection.findings import CannotHappenError
from tests.harness.debian import UNPACKED, unpack
from tests.harness.processes import Child
from tests.harness.stack import ALONE, Stack

_LIBRARY = "libfaketimeMT.so.1"
_USUAL = "/usr/lib/*/faketime"
_SHARED = Path("/dev/shm")  # noqa: S108  (the folder of glibc's shared memory and semaphores)


@dataclass(slots=True)
class SteppedClock:
    """A clock, and the processes that use it."""

    stack: Stack
    library: Path
    file: Path
    children: list[Child] = field(default_factory=list)

    def step(self, off: timedelta) -> None:
        """Set the clock's offset from the true time to ``off``."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{off.total_seconds():+.0f}\n", "ascii")
        new.replace(self.file)  # it may be read at any moment, so it must never be half written

    def worker(self, name: str) -> Child:
        queues = ("--queues", "background,maintenance", "--hostname", f"{name}@%h", "--concurrency", "2", *ALONE)
        return self._start(name, "worker", *queues, "--loglevel", "INFO")

    def beat(self) -> Child:
        return self._start("stepped-beat", "beat", "--loglevel", "INFO")

    def kill(self) -> None:
        """SIGKILL all processes, and delete the library's files, which would block a later process with the same id."""
        for child in self.children:
            child.kill()
            for left in (f"faketime_shm_{child.pid}", f"sem.faketime_sem_{child.pid}"):
                (_SHARED / left).unlink(missing_ok=True)

    def _start(self, name: str, *command: str) -> Child:
        before = dict(self.stack.environment)
        self.stack.environment = {
            **before,
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }
        try:
            self.children.append(
                self.stack.start(
                    name, "python", "-m", "tests.chaos.injection.stepped_celery", "--quiet", "-A", "tasks", *command
                )
            )
        finally:
            self.stack.environment = before
        return self.children[-1]


@contextmanager
def stepped_clock(stack: Stack) -> Iterator[SteppedClock]:
    """Yield a clock without an offset, and kill the processes that it started afterwards."""
    with tempfile.TemporaryDirectory(prefix="fetcher-faketime-") as folder:
        clock = SteppedClock(stack, _library(Path(folder)), Path(folder) / "clock")
        clock.step(timedelta(0))
        try:
            yield clock
        finally:
            clock.kill()


def _library(folder: Path) -> Path:
    """Return the path of the installed libfaketime, or otherwise of Debian's, unpacked into ``folder``."""
    root = Path("/")
    found = next(root.glob(f"{_USUAL[1:]}/{_LIBRARY}"), None)
    if found is None:
        if reason := unpack("libfaketime", folder):
            raise CannotHappenError(f"no libfaketime here, and {reason}")
        found = next((folder / UNPACKED).glob(f"{_USUAL[1:]}/{_LIBRARY}"), None)
    if found is None:
        raise CannotHappenError(f"Debian's libfaketime has no {_LIBRARY}")
    return found
