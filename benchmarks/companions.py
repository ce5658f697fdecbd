"""Companion processes of a benchmark, which print their address and then one line for each that they read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.processes import end_process


class Companion:
    """A running companion."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._line()

    def ask(self) -> str:
        """Send a line and return the response."""
        assert self._process.stdin is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def companion(module: str, *arguments: str) -> Iterator[Companion]:
    """Run a module as a companion; end it afterwards."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Companion(process)
    finally:
        end_process(process)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
