"""Git's own server of one folder of repositories, in a process of its own, which counts its requests.

``python -m benchmarks.git_host FOLDER`` prints its address. It prints the requests so far for each line that it reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.companions import Companion, companion
from tests.harness.git_server import GitServer


class GitHost:
    """The running server."""

    def __init__(self, process: Companion) -> None:
        self._process = process
        self.url = process.address

    def requests(self) -> int:
        """Return the number of requests so far."""
        return int(self._process.ask())


@contextmanager
def git_host(folder: Path) -> Iterator[GitHost]:
    """Serve the repositories below ``folder``."""
    with companion("benchmarks.git_host", str(folder)) as process:
        yield GitHost(process)


if __name__ == "__main__":
    with GitServer(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        for _ in sys.stdin:
            print(len(server.requests), flush=True)
