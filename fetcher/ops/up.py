"""The process supervisor of ``fetcher up``, which runs until Ctrl-C without losing work.

Redis starts first and stops last. Beat stops first, so that nothing new is planned. The workers then finish their
tasks, and Redis saves the queues. A process that exits is restarted with a growing delay. A process counts as ended
when the kernel reports it, not when it is silent: a slow disk or a suspended machine ends nothing.

All processes but Redis are forked, so that they share the memory of their libraries: beat and the host from the
supervisor, which imports Celery and no database; the others from the host, ``fetcher.ops.fork_host``, with all of them.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from fetcher.data_folder import UMASK, make_private
from fetcher.domain.errors import ConfigError
from fetcher.ops.stopping import StopSignal

GRACE = 45.0
"""Seconds for a worker to finish: a batch's time, one upstream request, and recording the result."""

LONGEST_PAUSE = 60.0
"""Longest delay in seconds before a process that keeps exiting is started again."""
_HOST_GRACE = 2 * GRACE + 5
"""Seconds for the host: it stops the web process, then the workers, each within ``GRACE``."""
_POLL = 0.2
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """One process of the stack. Programs with a higher ``rank`` are stopped earlier."""

    name: str
    command: Sequence[str]
    """A command line; of a forked program its ``sys.argv``."""
    rank: int = 0
    target: str | None = None
    """Function (``module:name``) that a forked process calls; default: ``command`` is executed."""
    log: Path | None = None
    """File for its output; default: stderr is the supervisor's, and stdout is discarded."""
    grace: float = GRACE
    """Seconds between SIGTERM and SIGKILL."""


class Process(Protocol):
    """A child process, as ``subprocess.Popen`` has it."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raise ``subprocess.TimeoutExpired``."""
        ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


@dataclass(slots=True)
class Running:
    program: Program
    process: Process
    started: float
    failures: int = 0
    again_at: float | None = None


class FolderLock:
    """Lock that allows one ``fetcher up`` per data folder. The kernel releases it when the process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "up.lock"
        self._file: IO[str] | None = None
        self.was_killed = False
        """Whether the run before this one did not release the lock; its processes may still be ending."""

    def acquire(self) -> None:
        make_private(self._path.parent)
        try:
            self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+")
        except OSError as error:
            raise ConfigError(
                f"the data folder {self._path.parent} cannot be written ({error.strerror})",
                "Set FETCHER_DATA_DIR to a folder that this user may write",
            ) from None
        self._file.seek(0)
        holder = self._file.read().strip()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ConfigError(
                f"another `fetcher up` (process {holder or 'unknown'}) already runs on {self._path.parent}",
                "Stop it first, or set FETCHER_DATA_DIR to another folder",
            ) from None
        self.was_killed = bool(holder)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()


def spawn(program: Program, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C on a terminal reaches the supervisor alone.

    It runs in the root folder: Celery searches the working folder for modules, which may hold another ``tasks.py``.
    """
    log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if program.log is not None else None
    try:
        return subprocess.Popen(  # noqa: S603  (our own commands)
            program.command,
            env=dict(environment),
            cwd="/",
            umask=UMASK,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if log is None else log,  # Celery's exit message; logs go to stderr
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  (no thread yet)
        )
    finally:
        if log is not None:
            os.close(log)


@dataclass(slots=True)
class Supervisor:
    """Supervisor of programs: starts them, restarts any that exit, and stops them in order."""

    spawn: Callable[[Program], Process]
    report: Callable[[str], None]
    _running: list[Running] = field(default_factory=list)

    def start(self, program: Program) -> Process:
        running = Running(program, self.spawn(program), time.monotonic())
        self._running.append(running)
        self.report(f"{program.name}: started (process {running.process.pid})")
        return running.process

    def watch(self, stopping: StopSignal) -> None:
        """Keep all programs running until ``stopping``."""
        while not stopping.wait(_POLL):
            for running in self._running:
                self._restart(running)

    def stop(self) -> None:
        """Stop the programs rank by rank: SIGTERM, then SIGKILL after the program's grace."""
        for rank in sorted({running.program.rank for running in self._running}, reverse=True):
            group = [r for r in self._running if r.program.rank == rank and r.process.poll() is None]
            for running in group:
                running.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            for running in group:
                name, grace = running.program.name, running.program.grace
                try:
                    running.process.wait(max(began + grace - time.monotonic(), 0.1))
                    self.report(f"{name}: stopped")
                except subprocess.TimeoutExpired:
                    running.process.kill()
                    running.process.wait()
                    self.report(f"{name}: killed after {grace:.0f} s; its leases will expire")

    def _restart(self, running: Running) -> None:
        now = time.monotonic()
        if running.again_at is not None:
            if now >= running.again_at:
                self._start_again(running, now)
        elif running.process.poll() is not None:
            if now - running.started > LONGEST_PAUSE:
                running.failures = 0
            self._pause(running, now, f"exited with status {running.process.returncode}")

    def _start_again(self, running: Running, now: float) -> None:
        try:
            running.process = self.spawn(running.program)
        except OSError as error:  # no process or memory is left, or the log's disk is full
            self._pause(running, now, f"cannot be started ({error.strerror})")
            return
        running.started, running.again_at = now, None
        self.report(f"{running.program.name}: restarted (process {running.process.pid})")

    def _pause(self, running: Running, now: float, reason: str) -> None:
        """Start the program again after a pause that doubles with each failure."""
        running.failures += 1
        pause = min(2.0 ** (running.failures - 1), LONGEST_PAUSE)
        running.again_at = now + pause
        self.report(f"{running.program.name}: {reason}; restarting in {pause:.0f} s")


def programs(workers: int, log_level: str) -> list[Program]:
    """Return the programs beside Redis, which the supervisor forks: beat, and the host of the others."""
    return [
        Program("host", ["host", str(workers), log_level], 1, target="fetcher.ops.fork_host:main", grace=_HOST_GRACE),
        Program("beat", ["beat", log_level], 2, target="tasks.beat:main"),
    ]


def hosted(workers: str, log_level: str, *, receivers: bool) -> list[Program]:
    """Return the programs that the host forks: the workers, and the page with its API.

    Webhooks have a worker of their own if there are ``receivers``. Otherwise the background worker consumes their
    queue, so that a receiver added later gets its messages, and 40 MB are saved.
    """
    queues = "background,maintenance" if receivers else "background,maintenance,webhooks"
    found = [
        Program("worker", ["worker", "background", queues, workers, log_level], 1, target="tasks.worker:main"),
        Program("manual", ["worker", "manual", "manual", "1", log_level], 1, target="tasks.worker:main"),
    ]
    if receivers:
        sender = ["worker", "webhooks", "webhooks", "1", log_level]
        found.append(Program("webhooks", sender, 1, target="tasks.worker:main"))
    return [*found, Program("web", ["web"], 2, target="fetcher.web.serving:main")]


def die_with_parent() -> None:
    """Make the kernel terminate this child when its parent is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
