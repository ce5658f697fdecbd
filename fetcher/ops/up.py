"""The process supervisor of ``fetcher up``, which runs until Ctrl-C without losing work.

Redis starts first and stops last. Beat stops first, so that nothing new is planned. The workers then finish their
tasks, and Redis saves the queues. A process that exits is restarted with a growing delay.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fetcher.domain.errors import ConfigError

GRACE = 45.0
"""Seconds for a worker to finish: a batch's time, one upstream request, and recording the result."""

LONGEST_PAUSE = 60.0
_POLL = 0.2
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the stack. Programs with a higher ``rank`` are stopped earlier."""

    name: str
    command: Sequence[str]
    rank: int = 0


@dataclass(slots=True)
class Running:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    again_at: float | None = None


class FolderLock:
    """Lock that allows one ``fetcher up`` per data folder. The kernel releases it when the process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "up.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._path.open("a+")
        except OSError as error:
            raise ConfigError(
                f"the data folder {self._path.parent} cannot be written ({error.strerror})",
                "Set FETCHER_DATA_DIR to a folder that this user may write",
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise ConfigError(
                f"another `fetcher up` (process {holder}) already runs on {self._path.parent}",
                "Stop it first, or set FETCHER_DATA_DIR to another folder",
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        if self._file is not None:
            self._file.close()


@dataclass(slots=True)
class Supervisor:
    """Supervisor of the programs: starts them, restarts any that exit, and stops them in order."""

    programs: Sequence[Program]
    environment: Mapping[str, str]
    report: Callable[[str], None]
    grace: float = GRACE
    _running: list[Running] = field(default_factory=list)

    def start(self) -> None:
        for program in self.programs:
            self._running.append(Running(program, self._spawn(program), time.monotonic()))
            self.report(f"{program.name}: started (process {self._running[-1].process.pid})")

    def watch(self, stopping: threading.Event, healthy: Callable[[], bool]) -> bool:
        """Keep all programs running until ``stopping``; return ``False`` if ``healthy`` fails."""
        while not stopping.wait(_POLL):
            if not healthy():
                return False
            for running in self._running:
                self._restart(running)
        return True

    def stop(self) -> None:
        """Stop the programs rank by rank: SIGTERM, then SIGKILL after ``grace`` seconds."""
        for rank in sorted({running.program.rank for running in self._running}, reverse=True):
            group = [r for r in self._running if r.program.rank == rank and r.process.poll() is None]
            for running in group:
                running.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + self.grace
            for running in group:
                try:
                    running.process.wait(max(deadline - time.monotonic(), 0.1))
                    self.report(f"{running.program.name}: stopped")
                except subprocess.TimeoutExpired:
                    running.process.kill()
                    running.process.wait()
                    self.report(f"{running.program.name}: killed after {self.grace:.0f} s; its leases will expire")

    def _restart(self, running: Running) -> None:
        now = time.monotonic()
        if running.again_at is not None:
            if now >= running.again_at:
                running.process, running.started, running.again_at = self._spawn(running.program), now, None
                self.report(f"{running.program.name}: restarted (process {running.process.pid})")
        elif running.process.poll() is not None:
            running.failures = 1 if now - running.started > LONGEST_PAUSE else running.failures + 1
            pause = min(2.0 ** (running.failures - 1), LONGEST_PAUSE)
            running.again_at = now + pause
            code = running.process.returncode
            self.report(f"{running.program.name}: exited with status {code}; restarting in {pause:.0f} s")

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  (our own commands)
            program.command,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # Celery's exit message; logs go to stderr
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  (no thread yet)
        )


def programs(workers: int, log_level: str) -> list[Program]:
    """Return the processes of Fetcher, the same as in the Procfile."""
    celery = shutil.which("celery", path=str(Path(sys.executable).parent)) or "celery"
    base = [celery, "--quiet", "-A", "tasks"]
    level = ["--loglevel", log_level]
    alone = ["--without-mingle", "--without-gossip"]  # workers need not synchronize; saves a second
    background = ["--queues", "background,maintenance", "--hostname", "background@%h", "--concurrency", str(workers)]
    manual = ["--queues", "manual", "--hostname", "manual@%h", "--concurrency", "1"]
    return [
        Program("worker", [*base, "worker", *background, *alone, *level], rank=1),
        Program("manual", [*base, "worker", *manual, *alone, *level], rank=1),
        Program("beat", [*base, "beat", *level], rank=2),
        Program("web", [sys.executable, "-m", "fetcher", "web"], rank=2),
    ]


def _die_with_parent() -> None:
    """Make the kernel terminate this child when the supervisor is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
