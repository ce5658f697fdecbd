"""Faults of the machine itself: its clock, its disk, and a second ``fetcher up``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from fetcher.simulator.catalogue import from_documents
from fetcher.simulator.server import Simulator
from tests.chaos.injection.deployment import Deployment, invented
from tests.chaos.injection.findings import CannotHappenError, Finding, Group
from tests.chaos.injection.upstream_faults import Step, UpstreamFault, run_upstream_fault
from tests.harness.stack import simulated, stack

HOUR = timedelta(hours=1)
DISK = "4m"
_FILLER = "filler"

LocalFault = Callable[[Path], Awaitable[Finding]]


def _stepped(by: timedelta) -> Step:
    async def step(ours: Deployment) -> None:
        ours.clock.off = by

    return step


CLOCK_FAULTS = tuple(
    UpstreamFault(
        group=Group.MACHINE,
        name=f"clock stepped {words} an hour, and back after a day and a half",
        begin=_stepped(by),
        end=_stepped(timedelta(0)),
        outcome=None,
        affects_all=True,
    )
    for words, by in (("forward", HOUR), ("back", -HOUR))
)


async def full_disk(folder: Path) -> Finding:
    """Fill the database's disk for a day and a half. Nothing may be half written or requested in vain."""

    async def fill(ours: Deployment) -> None:
        ours.simulator.log.clear()
        with (ours.settings.data_dir / _FILLER).open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    async def empty(ours: Deployment) -> None:
        (ours.settings.data_dir / _FILLER).unlink()

    with small_disk(folder):
        return await run_upstream_fault(_disk_fault("disk full, SQLite", fill, empty), folder)


async def read_only(folder: Path) -> Finding:
    """Make the data folder read-only for a day and a half."""

    async def forbid(ours: Deployment) -> None:
        ours.parts.store.engine.dispose()
        ours.simulator.log.clear()
        _run("mount", "-o", "remount,ro", str(folder))

    async def allow(ours: Deployment) -> None:
        ours.parts.store.engine.dispose()
        _run("mount", "-o", "remount,rw", str(folder))

    with small_disk(folder):
        return await run_upstream_fault(_disk_fault("data folder read-only", forbid, allow), folder)


def _disk_fault(name: str, begin: Step, end: Step) -> UpstreamFault:
    return UpstreamFault(
        group=Group.MACHINE,
        name=name,
        begin=begin,
        end=end,
        outcome=None,
        affects_all=True,
        check=_requested_once,
        blind=True,
    )


async def _requested_once(ours: Deployment) -> None:
    """Check that responses that could not be recorded were not requested repeatedly."""
    requests = sum(ours.simulator.log.requests.values())
    assert requests <= 2 * len(ours.oracle.names), requests


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of a few megabytes at ``folder``. It requires root and the right to mount."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        raise CannotHappenError("this user may not mount")
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder))
    except subprocess.CalledProcessError as error:
        raise CannotHappenError(error.stderr.decode().strip()) from error
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


async def second_up(folder: Path) -> Finding:
    """Start ``fetcher up`` twice on one data folder. The second must exit, and the first must finish its pass."""
    world = from_documents([invented(f"package-{number}", number) for number in range(5)])
    wrong: list[str] = []
    with Simulator(world) as simulator, stack(folder, **simulated(simulator), plan_interval=1) as ours:
        slugs = ours.import_world(world)
        first = ours.start("up", "fetcher", "up", workers=1)
        ours.until(lambda: "Ctrl-C stops it" in first.output(), "the first one runs")
        began = time.monotonic()
        second = ours.fetcher("up")
        if second.returncode != 1 or "already runs on" not in second.stderr:
            wrong.append(f"the second one said {second.stderr!r} with status {second.returncode}")
        ours.until(lambda: ours.answered(len(slugs)), "the first one's pass")
        fresh_after = time.monotonic() - began
        first.signal(signal.SIGINT)
        if first.wait() != 0:
            wrong.append(f"the first one ended badly: {first.output()}")
    return Finding(Group.MACHINE, "two `fetcher up` on one folder", 1, len(slugs), (), wrong, fresh_after)


LOCAL_FAULTS: tuple[LocalFault, ...] = (full_disk, read_only, second_up)
