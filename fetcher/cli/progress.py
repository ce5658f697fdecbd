"""Progress of long commands on stderr: a bar on a terminal, otherwise a line every ``EVERY`` seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fetcher.cli.screen import err

EVERY = 10.0
"""Seconds between two lines without a terminal. A command that ends sooner prints none."""


@dataclass(slots=True)
class Work:
    """Progress of a command: packages so far, and the amount done of its total."""

    packages: int = 0
    done: int = 0
    report: Callable[[], None] = lambda: None

    def add(self, packages: int) -> None:
        self.packages += packages
        self.report()

    def watch(self, amount: int) -> None:
        """Add ``amount`` to the amount done, in the unit of the total."""
        self.done += amount


@contextmanager
def progress(verb: str, total: int | None) -> Iterator[Work]:
    """Show the progress of the ``with`` block towards a total of ``total``; ``None`` if the total is unknown."""
    if err.is_terminal:
        with _bar(verb, total) as work:
            yield work
    else:
        yield _lines(verb, total)


@contextmanager
def _bar(verb: str, total: int | None) -> Iterator[Work]:
    columns = (
        TextColumn(f"{verb} {{task.fields[packages]:,}} packages"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns[: 5 if total else 3], console=err, transient=True) as bar:
        task: TaskID = bar.add_task("", total=total, packages=0)
        work = Work()
        work.report = lambda: bar.update(task, completed=work.done, packages=work.packages)
        yield work


def _lines(verb: str, total: int | None) -> Work:
    work = Work()
    began = reported_at = time.monotonic()

    def report() -> None:
        nonlocal reported_at
        now = time.monotonic()
        if now - reported_at < EVERY:
            return
        reported_at = now
        share = f", {min(work.done / total, 1):.0%}" if total else ""
        err.print(f"{verb} {work.packages:,} packages{share}, {work.packages / (now - began):,.0f} a second")

    work.report = report
    return work
