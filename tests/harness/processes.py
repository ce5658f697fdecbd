"""Processes that tests and benchmarks start: their logs, their children, their CPU, and their end."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
"""The folder of this installation's commands."""
PATIENCE = 300.0
"""Seconds after which an expected event counts as lost: far longer than a busy machine takes. No test measures it."""
ENDS_WITHIN = 120.0
"""The same for the end of a process, which is killed afterwards."""
POLL = 0.1
"""Seconds between two looks at a condition. The first looks follow each other sooner, because most events come soon."""
_FIRST_POLL = 0.005
_SERVERS_FROM = 10_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_FROM = 32_768
"""The first port of outgoing connections where the file is missing."""
_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _CHILDREN_SYSTEM = 11, 15
"""The CPU times in /proc/PID/stat after the command's name (proc_pid_stat(5))."""


@dataclass(slots=True)
class Child:
    """A process that a test started, with the files that it writes to. It leads a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path
    gently: bool = False
    terminated: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def runs(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL to the process and its children, as a power failure ends all of them at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(ENDS_WITHIN)

    def wait(self, within: float = ENDS_WITHIN) -> int:
        """Wait until the process ends, and return its status."""
        return self.process.wait(within)

    def terminate(self) -> None:
        """Send SIGTERM without waiting. A second one makes a worker drop its task, so it is sent once."""
        if self.runs() and not self.terminated:
            self.terminated = True
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Send SIGTERM, then SIGKILL to the rest of the process group."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.wait()
        self.kill()

    def output(self) -> str:
        """Return what the process has written to stderr so far."""
        return self.stderr.read_text("utf-8", "replace")

    def cpu(self) -> float:
        """Return the CPU seconds of the process and its descendants so far."""
        return sum(map(cpu_of, family_of(self.pid)))


def start_process(
    name: str,
    *command: str,
    environment: Mapping[str, str],
    folder: Path,
    logs: Path | None = None,
    gently: bool = False,
) -> Child:
    """Start a command of this installation in ``folder``, as the leader of a process group.

    ``logs`` is the path of its two log files without their endings, by default ``folder`` and the name. ``gently``: it
    has processes of its own and must end them itself.
    """
    base = logs or folder / name
    stdout, stderr = (base.with_name(f"{base.name}.{stream}") for stream in ("out", "err"))
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    return Child(name, process, stdout, stderr, gently)


def wait_until(
    holds: Callable[[], object], event: str, *, within: float = PATIENCE, logs: Callable[[], str] = lambda: ""
) -> None:
    """Poll until ``holds()``. Otherwise fail with the name of the expected event, and the logs."""
    deadline, pause = time.monotonic() + within, _FIRST_POLL
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {event}\n{logs()}")
        time.sleep(pause)
        pause = min(POLL, 2 * pause)


def end_process(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and SIGKILL if the process does not end."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(ENDS_WITHIN)


def free_port() -> int:
    """Return a free TCP port of the loopback address, which stays free until a test's server takes it.

    It lies below the ports of outgoing connections, since the system could give one of those to any process meanwhile.
    It is chosen at random, so that test processes side by side do not choose the same.
    """
    try:
        end = int(_EPHEMERAL.read_text("ascii").split()[0])
    except (OSError, ValueError):
        end = _EPHEMERAL_FROM
    while True:
        port = random.randrange(min(_SERVERS_FROM, end - 1000), end)  # noqa: S311  (no secret)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def children_of(pid: int) -> list[int]:
    """Return the ids of the running descendants of ``pid``, the children of a process before their own.

    They are found by the parent that each process of the machine names. ``/proc/PID/task/PID/children`` lacks those
    that another thread started, and may lack others while one ends (proc(5)).
    """
    by_parent: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (parent := _parent_of(int(entry.name))) is not None:
            by_parent.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        children = by_parent.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _parent_of(pid: int) -> int | None:
    """Return the id of a process's parent; None if it has ended, also as a zombie."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(parent)


def family_of(pid: int) -> list[int]:
    """Return the ids of a process and of its running descendants."""
    return [pid, *children_of(pid)]


def is_alive(pid: int) -> bool:
    """Return True if a process still runs; a zombie that its parent has not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and its ended children; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    times = text.rpartition(")")[2].split()[_USER:_CHILDREN_SYSTEM]
    return sum(map(int, times)) / _TICKS


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
