"""One import over all its inputs: read, stored a thousand at a time, counted, and what was refused named.

There is no position to resume from: what is stored is the position. Whoever imports again after an interruption begins
at the first entry, and a thousand that are stored already cost one query and no write. A number kept beside the data
would have to be of the very same file, and would pass by what an editor changed in it, or in the catalogue, meanwhile.
Only pages of a directory's API, which cost the other side something, are worth it: a complaint names the page to go on
from.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from rich.markup import escape

from fetcher.catalogue.intake import (
    Entry,
    Item,
    PassedOver,
    Rejected,
    next_page,
    read_page,
    read_path,
    read_stream,
    size_of,
)
from fetcher.cli.progress import Work, progress
from fetcher.cli.screen import err
from fetcher.domain.errors import InputError
from fetcher.domain.model import Upstream
from fetcher.http.messages import NoAnswer, Request, Resource, Route
from fetcher.http.transport import HttpTransport
from fetcher.settings import Settings
from fetcher.store import SqlStore
from fetcher.upstreams.github.auth import Anonymous
from fetcher.wiring import user_agent

PAGE_BYTES = 64 * 1024 * 1024
SHOWN = 50
"""Of so many lines of a kind each is printed; of more, their number."""

_PART = 1000


@dataclass(slots=True)
class Lines:
    """Complaints of one kind: all are counted, the first ones kept and printed, all of them written if asked for."""

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
    """What an import came to over all its inputs."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: Lines = field(default_factory=lambda: Lines("[bold red]rejected[/]"))
    unsupported: Lines = field(default_factory=lambda: Lines("[yellow]not fetched[/]"))

    @property
    def stored(self) -> int:
        return self.added + self.updated + self.unchanged

    def in_words(self) -> str:
        return (
            f"{self.added} added, {self.updated} updated, {self.unchanged} unchanged, "
            f"{self.rejected.count} rejected, {self.unsupported.count} not to be fetched"
        )

    def as_json(self) -> dict[str, Any]:
        """``rejected`` and ``unsupported`` are the first lines of each; the counts are of all."""
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
    """Import every input; one that cannot be read costs none of the others."""
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


@contextmanager
def every_rejected(total: Sum, path: Path | None) -> Iterator[None]:
    """Write each rejected line to ``path``, too."""
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
    """Small pages are stored together; what came before a page that fails is stored, too."""
    waiting: list[Item] = []
    with progress("imported", None) as work:
        try:
            async for items in _pages(settings, url):
                waiting += items
                if len(waiting) >= _PART:
                    full, waiting = waiting, []
                    _store(store, full, total, work)
        finally:
            _store(store, waiting, total, work)


async def _pages(settings: Settings, url: str) -> AsyncIterator[Sequence[Item]]:
    """Page after page of a directory's API; every page must lie on the first one's origin."""
    seen: set[str] = set()
    following: str | None = url
    async with HttpTransport(Anonymous(), (url,), user_agent=user_agent(settings)) as transport:
        while following is not None and following not in seen:
            seen.add(following)
            request = Request(
                Upstream.PYPI,  # as for an index, no credential goes with it
                Resource.PYPI,
                Route.CATALOGUE,
                following,
                headers={"accept": "application/json"},
                max_bytes=PAGE_BYTES,
            )
            answer = await transport.send(request)
            if isinstance(answer, NoAnswer):
                raise InputError(f"{following} does not answer ({answer.reason})", _go_on(url, following))
            if answer.status != 200:
                raise InputError(f"{following} answers {answer.status}", f"Check the address. {_go_on(url, following)}")
            page = read_page(answer.body, following)
            yield page.items
            link = next_page(following, page.next)
            if page.next and link is None:
                raise InputError(f"{following} names a next page on another host", "Import that address by itself")
            following = link


def _go_on(url: str, following: str) -> str:
    if following == url:
        return "Try again later"
    return f"What came before it is stored; `fetcher import {shlex.quote(following)}` goes on from there"


def _store(store: SqlStore, items: Sequence[Item], total: Sum, work: Work) -> None:
    """Store the good ones of ``items``, name the others."""
    good: list[Entry] = []
    for item in items:
        match item:
            case Entry():
                good.append(item)
            case Rejected():
                total.rejected.add(str(item).removeprefix(f"{item.where}: "), item.where)
            case PassedOver():
                err.print(f"passed over {escape(item.where)}: {escape(item.reason)}")
    result = store.import_entries([item.entry for item in good], datetime.now(UTC))
    total.added += result.added
    total.updated += result.updated
    total.unchanged += result.unchanged
    for index, reason in result.rejected:
        total.rejected.add(reason, good[index].where)
    for slug, reason in result.unsupported:
        total.unsupported.add(reason, slug)
    work.add(len(items))
