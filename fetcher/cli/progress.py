"""How far a long command has come, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fetcher.cli.screen import err

EVERY = 10.0
"""Seconds between two lines where nobody watches a terminal; a command that is done sooner prints none."""


@dataclass(slots=True)
class Work:
    """What a command tells of itself: packages so far, and how much of all that there is to do is done."""

    packages: int = 0
    done: int = 0
    tell: Callable[[], None] = lambda: None

    def add(self, packages: int) -> None:
        self.packages += packages
        self.tell()

    def watch(self, amount: int) -> None:
        """So much more of the whole is done, in whatever the whole is counted."""
        self.done += amount


@contextmanager
def progress(verb: str, whole: int | None) -> Iterator[Work]:
    """Show the work done within, which is ``whole`` long, or of a length that nobody knows."""
    if err.is_terminal:
        with _bar(verb, whole) as work:
            yield work
    else:
        yield _lines(verb, whole)


@contextmanager
def _bar(verb: str, whole: int | None) -> Iterator[Work]:
    columns = (
        TextColumn(f"{verb} {{task.fields[packages]:,}} packages"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("and still"),
        TimeRemainingColumn(),
    )
    with Progress(*columns[: 5 if whole else 3], console=err, transient=True) as bar:
        task: TaskID = bar.add_task("", total=whole, packages=0)
        work = Work()
        work.tell = lambda: bar.update(task, completed=work.done, packages=work.packages)
        yield work


def _lines(verb: str, whole: int | None) -> Work:
    work = Work()
    began = told = time.monotonic()

    def tell() -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < EVERY:
            return
        told = now
        share = f", {min(work.done / whole, 1):.0%}" if whole else ""
        err.print(f"{verb} {work.packages:,} packages{share}, {work.packages / (now - began):,.0f} a second")

    work.tell = tell
    return work
