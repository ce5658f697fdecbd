"""The supervisor of `fetcher up`: what it starts again, and what must not end it."""

from __future__ import annotations

import errno
import io
import sys
from dataclasses import dataclass, field

import pytest

from fetcher.ops.lines import report
from fetcher.ops.stopping import StopSignal
from fetcher.ops.up import LONGEST_PAUSE, Process, Program, Supervisor

PROGRAM = Program("beat", ["beat"], 2)


@dataclass
class Exited:
    """A process that has ended with a failure."""

    pid: int = 7
    returncode: int | None = 3

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        return 3

    def send_signal(self, number: int, /) -> None:
        raise ProcessLookupError

    def kill(self) -> None:
        raise ProcessLookupError


@dataclass
class Machine:
    """A machine whose time passes with each wait of the supervisor, and that may refuse to start a process."""

    clock: float = 0.0
    full: bool = False
    starts: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def spawn(self, _program: Program) -> Process:
        if self.full:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.starts.append(self.clock)
        return Exited()


class After(StopSignal):
    """A signal that arrives after so many seconds of a machine's time."""

    def __init__(self, machine: Machine, seconds: int) -> None:
        self._machine, self._left = machine, seconds

    def wait(self, seconds: float) -> bool:
        self._machine.clock += 1
        self._left -= 1
        return self._left < 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Provide a machine with its own clock."""
    made = Machine()
    monkeypatch.setattr("fetcher.ops.up.time.monotonic", lambda: made.clock)
    return made


def test_a_program_that_exits_is_started_again_later_each_time(machine: Machine) -> None:
    """The pause doubles up to its longest."""
    supervisor = Supervisor(machine.spawn, machine.lines.append)
    supervisor.start(PROGRAM)
    supervisor.watch(After(machine, 300))
    pauses = [later - earlier for earlier, later in zip(machine.starts, machine.starts[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[:4] == [2, 3, 5, 9]
    assert pauses[-1] == LONGEST_PAUSE + 1


def test_a_program_that_cannot_be_started_is_tried_again(machine: Machine) -> None:
    """A machine without free processes ends nothing: the program runs once there is room."""
    supervisor = Supervisor(machine.spawn, machine.lines.append)
    supervisor.start(PROGRAM)
    machine.full = True
    supervisor.watch(After(machine, 20))
    assert machine.starts == [0]
    assert "beat: cannot be started (Resource temporarily unavailable); restarting in 2 s" in machine.lines
    machine.full = False
    supervisor.watch(After(machine, 40))
    assert len(machine.starts) > 1


class FullDisk(io.StringIO):
    """A log that takes no further line."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_line_that_cannot_be_written_ends_nothing(log_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a reader that has ended loses the line only."""
    monkeypatch.setenv("FETCHER_LOG_FORMAT", log_format)
    monkeypatch.setattr(sys, "stderr", FullDisk())
    report("beat: exited with status 3")
