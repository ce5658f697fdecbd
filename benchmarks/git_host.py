"""Git's own server of one folder of repositories, in a process of its own, which counts its requests.

``python -m benchmarks.git_host FOLDER`` prints its address. It prints the requests so far for each line that it reads.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.git_server import GitServer
from tests.harness.processes import end_process


class GitHost:
    """The running server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._line()

    def requests(self) -> int:
        """Return the number of requests so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def git_host(folder: Path) -> Iterator[GitHost]:
    """Serve the repositories below ``folder``."""
    command = [sys.executable, "-m", "benchmarks.git_host", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield GitHost(process)
    finally:
        end_process(process)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


if __name__ == "__main__":
    with GitServer(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        for _ in sys.stdin:
            print(len(server.requests), flush=True)
