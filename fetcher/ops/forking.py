"""Processes that are forked instead of executed, so that they share the memory of imported libraries."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from fetcher.data_folder import UMASK
from fetcher.ops.stopping import STOPPING
from fetcher.ops.up import Program, die_with_parent

_MOST_FILES = 1024
"""Descriptors below this number are closed after a fork; a supervisor has only a few."""
_PR_SET_NAME = 15
_POLL = 0.05


class Forked:
    """A forked process, with the methods of ``subprocess.Popen`` that the supervisor uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if timeout is not None and deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_POLL)
        return code

    def send_signal(self, number: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(program: Program) -> Forked:
    """Fork a process that calls the program's function. It never returns into the frames of the parent."""
    sys.stdout.flush()
    sys.stderr.flush()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # the child must not run the parent's handlers
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return Forked(pid)
    status = 1
    try:
        _become(program)
        status = _run(program.target or "", program.command)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _become(program: Program) -> None:
    """Leave the parent's session, working folder, files, signals and name."""
    os.setsid()
    os.chdir("/")
    os.umask(UMASK)
    os.closerange(3, _MOST_FILES)  # above all the lock of the data folder
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):  # stdout: Celery's exit message; logs go to stderr
        os.dup2(null, standard)
    os.close(null)
    for number in STOPPING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if sys.platform == "linux":
        die_with_parent()
    name_process(program.name)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def name_process(name: str) -> None:
    """Set the name that ``ps -o comm`` and ``top`` show, of 15 characters at most."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, f"fetcher-{name}".encode())


def _run(target: str, argv: Sequence[str]) -> int:
    sys.argv = list(argv)
    try:
        call(target)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201  (as the interpreter does)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  (the child must not return into the host's frames)
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def call(target: str) -> None:
    """Call the function ``target`` (``module:name``), which takes no argument."""
    module, _, name = target.partition(":")
    getattr(import_module(module), name)()
