"""Memory of an idle ``fetcher up`` with everything embedded, process by process.

PSS (proportional set size, from ``/proc/PID/smaps_rollup``) divides each shared page by the number of its processes, so
the sum over the processes is the memory that they take together. RSS counts shared pages once in each process.
"""

from __future__ import annotations

import re
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fetcher.ports import PLANNED
from tests.harness import processes
from tests.harness.stack import stack

NOWHERE = "http://127.0.0.1:9"
RUNNING = "Ctrl-C stops it"
_ADDRESS = re.compile(r"the page and the API: (http[^\s\"]+)")
_ROLLUP = re.compile(r"^(Rss|Pss|Private_Clean|Private_Dirty):\s+(\d+) kB$", re.MULTILINE)
_MB = 1024.0


def main(
    workers: Annotated[int | None, typer.Option(help="Background worker processes; default: Fetcher's own.")] = None,
    commands: Annotated[Path, typer.Option(help="Folder of the commands, in another environment.")] = processes.BIN,
) -> None:
    """Start ``fetcher up``, wait for the first plan, open three pages, and print the table."""
    processes.BIN = commands
    settings: dict[str, object] = {"github_api_url": NOWHERE, "pypi_url": NOWHERE, "plan_interval": 1}
    if workers is not None:
        settings["workers"] = workers
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder), **settings) as ours:
        up = ours.start("up", "fetcher", "up", gently=True)
        ours.until(lambda: RUNNING in up.output() and _ADDRESS.search(up.output()), "all processes have started")
        ours.until(lambda: ours.store.checkpoints.get(PLANNED).observed_at, "a worker has carried out a plan")
        found = _ADDRESS.search(up.output())
        assert found is not None
        for page in ("", "packages", "metrics"):
            urllib.request.urlopen(f"{found[1]}{page}", timeout=60).read()  # noqa: S310  (the address just printed)
        columns = Table("process", "pid", "PSS MB", "private MB", "RSS MB")
        for row in _rows(up.pid, up.output()):
            columns.add_row(*row)
        Console().print(columns)


def _rows(pid: int, output: str) -> Iterator[list[str]]:
    names = {int(number): name for name, number in re.findall(r"(\w+): started \(process (\d+)\)", output)}
    sums = [0.0, 0.0, 0.0]
    for one in processes.family_of(pid):
        rollup = {name: int(size) / _MB for name, size in _ROLLUP.findall(_read(one, "smaps_rollup"))}
        sizes = [rollup["Pss"], rollup["Private_Clean"] + rollup["Private_Dirty"], rollup["Rss"]]
        sums = [total + size for total, size in zip(sums, sizes, strict=True)]
        yield [names.get(one) or f"  {_comm(one)}", str(one), *(f"{size:.0f}" for size in sizes)]
    yield ["all", "", *(f"{total:.0f}" for total in sums)]


def _comm(pid: int) -> str:
    """Return the kernel's name of a process; a worker's children have the worker's."""
    return _read(pid, "comm").strip()


def _read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text("utf-8")


if __name__ == "__main__":
    typer.run(main)
