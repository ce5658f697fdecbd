"""``fetcher import`` and ``fetcher add``: packages go in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fetcher.addresses import parse_project, parse_repo_address, repository_name
from fetcher.cli.screen import err, fail, out, print_json
from fetcher.errors import InputError
from fetcher.github.requests import api_at
from fetcher.github_auth import Anonymous
from fetcher.intake import Entry, Item, PassedOver, Rejected, next_page, read_page, read_path, slugified
from fetcher.model import CatalogueEntry, RepoRef, Unsupported, Upstream
from fetcher.settings import Settings, read_settings
from fetcher.store import SqlStore
from fetcher.transport import HttpTransport
from fetcher.wire import NoAnswer, Request, Resource
from fetcher.wiring import open_store, user_agent

PAGE_BYTES = 64 * 1024 * 1024
_PART = 1000
_TRY_AGAIN = "Check the address and try again; what came before it is stored"


@dataclass(slots=True)
class Sum:
    """What an import came to over all its inputs."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)


def import_(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|URL...", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Import packages: v4 documents, CSV or a list of repository addresses; from files, folders or a directory's API.

    Importing again changes nothing. A bad record is named and passed by, the good ones are stored, and the exit status
    says that something was wrong.

    Examples: fetcher import packages.json · fetcher import seeds/ · fetcher import https://directory.example/api/v4/packages/
    """
    settings = read_settings()
    store, engine = open_store(settings)
    total = Sum()
    try:
        for given in inputs:
            try:
                _import_one(store, settings, given, total)
            except InputError as error:
                _reject(total, str(error))
    finally:
        engine.dispose()
    _tell(total, as_json=json)
    if total.rejected:
        raise typer.Exit(1)


def add(
    repo_url: Annotated[str, typer.Argument(help="The repository's address.", show_default=False)],
    pypi: Annotated[str | None, typer.Option("--pypi", metavar="NAME", help="Its project on PyPI.")] = None,
) -> None:
    """Add one package by its repository's address.

    Example: fetcher add https://github.com/lesscpy/lesscpy --pypi lesscpy
    """
    settings = read_settings()
    repo = parse_repo_address(repo_url, frozenset({api_at(settings.github_api_url).host}))
    name = repo.name if isinstance(repo, RepoRef) else repository_name(repo_url)
    if name is None:
        reason = repo.reason if isinstance(repo, Unsupported) else "it is empty"
        fail(f"{repo_url!r} is no repository's address: {reason}")
    project = parse_project(pypi)
    if isinstance(project, Unsupported):
        fail(f"--pypi {pypi!r}: {project.reason}")
    store, engine = open_store(settings)
    try:
        entry = CatalogueEntry(slugified(name), name, repo_url=repo_url, pypi_url=project, complete=False)
        result = store.import_entries([entry], datetime.now(UTC))
    finally:
        engine.dispose()
    if result.rejected:
        fail(f"{repo_url}: {result.rejected[0][1]}")
    err.print("added" if result.added else "updated" if result.updated else "known already, nothing changed")
    for slug, reason in result.unsupported:
        err.print(f"[yellow]not fetched[/] {escape(slug)}: {escape(reason)}")


def _import_one(store: SqlStore, settings: Settings, given: str, total: Sum) -> None:
    if given.startswith(("https://", "http://")):
        asyncio.run(_import_url(store, settings, given, total))
        return
    items = read_path(Path(given))
    while part := list(islice(items, _PART)):
        _store(store, part, total)


async def _import_url(store: SqlStore, settings: Settings, url: str, total: Sum) -> None:
    async for items in _pages(settings, url):
        _store(store, items, total)


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
                "import",
                following,
                headers={"accept": "application/json"},
                max_bytes=PAGE_BYTES,
            )
            answer = await transport.send(request)
            if isinstance(answer, NoAnswer):
                raise InputError(
                    f"{following} does not answer ({answer.reason})", "What came before it is stored; try again"
                )
            if answer.status != 200:
                raise InputError(
                    f"{following} answers {answer.status}", "Check the address; what came before it is stored"
                )
            page = read_page(answer.body, following)
            yield page.items
            link = next_page(following, page.next)
            if page.next and link is None:
                raise InputError(f"{following} names a next page on another host", "Import that address by itself")
            following = link


def _store(store: SqlStore, items: Sequence[Item], total: Sum) -> None:
    """Store the good ones of ``items``, name the others."""
    good: list[Entry] = []
    for item in items:
        match item:
            case Entry():
                good.append(item)
            case Rejected():
                _reject(total, str(item))
            case PassedOver():
                err.print(f"passed over {escape(item.where)}: {escape(item.reason)}")
    result = store.import_entries([item.entry for item in good], datetime.now(UTC))
    total.added += result.added
    total.updated += result.updated
    total.unchanged += result.unchanged
    for index, reason in result.rejected:
        _reject(total, f"{good[index].where}: {reason}")
    for slug, reason in result.unsupported:
        total.unsupported.append(f"{slug}: {reason}")
        err.print(f"[yellow]not fetched[/] {escape(slug)}: {escape(reason)}")


def _reject(total: Sum, line: str) -> None:
    total.rejected.append(line)
    err.print(f"[bold red]rejected[/] {escape(line)}")


def _tell(total: Sum, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "added": total.added,
                "updated": total.updated,
                "unchanged": total.unchanged,
                "rejected": total.rejected,
                "unsupported": total.unsupported,
            }
        )
        return
    out.print(
        f"{total.added} added, {total.updated} updated, {total.unchanged} unchanged, "
        f"{len(total.rejected)} rejected, {len(total.unsupported)} not to be fetched"
    )
