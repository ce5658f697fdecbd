"""All faults in sequence, within a time limit. Faults over simulated days run in a second process."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console

from fetcher.monitoring.logging import configure_logging
from tests.chaos.injection.cluster import cluster
from tests.chaos.injection.findings import CannotHappenError, Finding, Group
from tests.chaos.injection.github_faults import GITHUB_FAULTS
from tests.chaos.injection.local_faults import CLOCK_FAULTS, LOCAL_FAULTS
from tests.chaos.injection.process_faults import ProcessFault, run_fault
from tests.chaos.injection.pypi_faults import PYPI_FAULTS
from tests.chaos.injection.upstream_faults import UpstreamFault, run_upstream_fault

_SHOWN = 3_000
_MOST_NAMED = 10
"""Maximum number of packages that are named for a finding. The table counts them all."""
_LAST = 30.0
"""Seconds reserved for the last fault. No fault begins in them."""

err = Console(stderr=True)


@dataclass(slots=True)
class Run:
    """All findings so far, and the time limit."""

    seed: int
    deadline: float
    folder: Path
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _folders: int = 0

    def take(self, name: str, happen: Callable[[], Finding]) -> None:
        """Inject one fault unless the time is over. Record a fault that cannot be injected here as left out."""
        if time.monotonic() > self.deadline:
            self.left_out.append(name)
            return
        began = time.monotonic()
        try:
            finding = happen()
        except CannotHappenError as error:
            self.left_out.append(f"{name} ({error})")
            return
        except AssertionError as error:
            finding = Finding(Group.HARNESS, name, 1, 0, wrong=[str(error)[:_SHOWN]])
        self.findings.append(finding)
        line = f"{'ok  ' if finding.ok else 'FAIL'} {finding.group}: {finding.fault} ({time.monotonic() - began:.0f} s)"
        err.print(line, markup=False, highlight=False)
        for bad in (*finding.lost[:_MOST_NAMED], *finding.wrong[:_MOST_NAMED]):
            err.print(f"       {bad}", markup=False, highlight=False)

    def new_folder(self) -> Path:
        self._folders += 1
        return self.folder / str(self._folders)

    def upstream(self, faults: Sequence[UpstreamFault]) -> None:
        for fault in faults:
            self.take(fault.name, partial(_in_simulated_days, run_upstream_fault, fault, self.new_folder()))

    def local(self) -> None:
        for make in LOCAL_FAULTS:
            self.take(make.__name__, partial(_in_simulated_days, make, self.new_folder()))

    def process_faults(self, faults: Sequence[ProcessFault], *, count: int, postgres: bool, workers: int = 2) -> None:
        if time.monotonic() > self.deadline:
            self.left_out += [fault.name for fault in faults]
            return
        try:
            with cluster(self.new_folder(), count=count, seed=self.seed, postgres=postgres, workers=workers) as made:
                for fault in faults:
                    self.take(fault.name, partial(run_fault, made, fault))
                    if self.findings and not self.findings[-1].ok:
                        err.print(made.stack.logs()[-_SHOWN:], markup=False, highlight=False)
        except AssertionError as error:
            self.findings.append(
                Finding(Group.HARNESS, f"first pass of {count}", 1, count, wrong=[str(error)[:_SHOWN]])
            )
            err.print(f"FAIL no first pass of {count}: {error}", markup=False, highlight=False)


def _in_simulated_days(happen: Callable[..., Awaitable[Finding]], *given: object) -> Finding:
    async def happening() -> Finding:
        return await happen(*given)

    return asyncio.run(happening())


def end(_number: int, _frame: object) -> None:
    """Exit on SIGTERM, so that every context manager stops the processes that it started."""
    sys.exit(128 + signal.SIGTERM)


@contextmanager
def running(seed: int, minutes: float) -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="fetcher-chaos-") as folder:
        yield Run(seed, time.monotonic() + 60 * minutes - _LAST, Path(folder))


def _days(seed: int, deadline: float, folder: Path, line: Connection) -> None:
    """Run the faults over simulated days, beside the process faults. They start few processes of their own."""
    signal.signal(signal.SIGTERM, end)
    configure_logging("CRITICAL")
    run = Run(seed, deadline, folder)
    run.local()
    run.upstream((*CLOCK_FAULTS, *GITHUB_FAULTS, *PYPI_FAULTS))
    line.send((run.findings, run.left_out))


@contextmanager
def beside(run: Run) -> Iterator[None]:
    """Run ``_days`` in a second process, and add its findings at the end."""
    spawning = multiprocessing.get_context("spawn")
    line, telling = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_days, args=(run.seed, run.deadline, run.folder / "days", telling), daemon=True)
    process.start()
    telling.close()
    yield
    try:
        findings, left_out = line.recv()
    except EOFError:
        raise SystemExit("the process with the simulated days has died") from None
    run.findings += findings
    run.left_out += left_out
    process.join()
