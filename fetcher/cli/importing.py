"""One import over all inputs: reading, storing 1,000 entries at a time, counting, reporting rejected records.

No position is stored to resume from. A repeated import starts at the first entry; 1,000 stored entries cost one query
and no write. A stored position would be valid for the identical file only. It would also skip edits made to the file or
the catalogue meanwhile. Pages of a directory's API cost the server requests, so an error message names the page to
continue from.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.markup import escape

from fetcher.catalogue.intake import (
    Entry,
    Item,
    PassedOver,
    Rejected,
    read_path,
    read_stream,
    size_of,
)
from fetcher.cli.progress import Work, progress
from fetcher.cli.screen import err
from fetcher.domain.errors import InputError
from fetcher.domain.formatting import counted
from fetcher.settings import Settings
from fetcher.sync.pages import pages
from fetcher.wiring import user_agent

if TYPE_CHECKING:
    from fetcher.store import SqlStore

SHOWN = 50
"""Printed lines of each kind; beyond it only their number is printed."""

_PART = 1000


@dataclass(slots=True)
class Lines:
    """Messages of one kind: all counted, the first ``SHOWN`` kept and printed, all written to ``file`` if set."""

    title: str
    count: int = 0
    first: list[str] = field(default_factory=list)
    file: IO[str] | None = None

    def add(self, reason: str, where: str = "") -> None:
        line = f"{where}: {reason}" if where else reason
        self.count += 1
        if self.count <= SHOWN:
            self.first.append(line)
            err.print(f"{self.title} {escape(line)}")
        if self.file is not None:
            self.file.write(json.dumps({"where": where or None, "reason": reason}, ensure_ascii=False) + "\n")

    def end(self) -> None:
        if self.count > SHOWN:
            err.print(f"{self.title} {self.count - SHOWN:,} more")


@dataclass(slots=True)
class Sum:
    """Totals of an import over all its inputs."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: Lines = field(default_factory=lambda: Lines("[bold red]rejected[/]"))
    unsupported: Lines = field(default_factory=lambda: Lines("[yellow]not fetched[/]"))
    cleaned: int = 0
    """Packages with a user name or password in an address, which was removed."""

    @property
    def stored(self) -> int:
        return self.added + self.updated + self.unchanged

    def in_words(self) -> str:
        return (
            f"{self.added} added, {self.updated} updated, {self.unchanged} unchanged, "
            f"{self.rejected.count} rejected, {self.unsupported.count} not to be fetched"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the totals. ``rejected`` and ``unsupported`` hold the first lines of each; the counts cover all."""
        return {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected.first,
            "rejected_count": self.rejected.count,
            "unsupported": self.unsupported.first,
            "unsupported_count": self.unsupported.count,
        }


def import_all(store: SqlStore, settings: Settings, inputs: Sequence[str], total: Sum) -> None:
    """Import every input. An unreadable input is reported as rejected and the others are still imported."""
    for given in inputs:
        try:
            if given.startswith(("https://", "http://")):
                asyncio.run(_import_url(store, settings, given, total))
            else:
                _import_path(store, given, total)
        except InputError as error:
            total.rejected.add(str(error))
    total.rejected.end()
    total.unsupported.end()
    say_cleaned(total.cleaned)


def say_cleaned(packages: int) -> None:
    """Report that user names and passwords were removed from the addresses of so many packages, if any."""
    if packages:
        err.print(f"user names and passwords were removed from the addresses of {counted(packages, 'package')}")


@contextmanager
def every_rejected(total: Sum, path: Path | None) -> Iterator[None]:
    """Write each rejected line to ``path`` as well, unless it is ``None``."""
    if path is None:
        yield
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})", "Name another file for --rejected") from None
    with file:
        total.rejected.file = file
        yield


def _import_path(store: SqlStore, given: str, total: Sum) -> None:
    size = None if given == "-" else size_of(Path(given))
    with progress("imported", size) as work:
        items = read_stream(sys.stdin.buffer, work.watch) if given == "-" else read_path(Path(given), work.watch)
        while part := list(islice(items, _PART)):
            _store(store, part, total, work)


async def _import_url(store: SqlStore, settings: Settings, url: str, total: Sum) -> None:
    """Import pages in batches of ``_PART``; pages before a failing page are stored."""
    waiting: list[Item] = []
    with progress("imported", None) as work:
        try:
            async for items in pages(url, user_agent(settings)):
                waiting += items
                if len(waiting) >= _PART:
                    full, waiting = waiting, []
                    _store(store, full, total, work)
        finally:
            _store(store, waiting, total, work)


def _store(store: SqlStore, items: Sequence[Item], total: Sum, work: Work) -> None:
    """Store the valid ``items`` and report the others."""
    good: list[Entry] = []
    for item in items:
        match item:
            case Entry():
                good.append(item)
            case Rejected():
                total.rejected.add(str(item).removeprefix(f"{item.where}: "), item.where)
            case PassedOver():
                err.print(f"skipped {escape(item.where)}: {escape(item.reason)}")
    result = store.packages.import_entries([item.entry for item in good], datetime.now(UTC))
    total.added += result.added
    total.updated += result.updated
    total.unchanged += result.unchanged
    total.cleaned += result.cleaned
    for index, reason in result.rejected:
        total.rejected.add(reason, good[index].where)
    for slug, reason in result.unsupported:
        total.unsupported.add(reason, slug)
    work.add(len(items))
