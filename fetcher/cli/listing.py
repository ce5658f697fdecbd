"""``fetcher list`` and ``fetcher search``: the packages of the catalogue, filtered and sorted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from fetcher.cli.screen import Json, err, out, plain_table, print_json
from fetcher.domain.catalogue_stats import stale_before
from fetcher.domain.formatting import ago, counted
from fetcher.domain.text import one_line
from fetcher.domain.views import Column, Listed, ListedPackage, Listing, PackageState
from fetcher.settings import Settings, read_settings
from fetcher.wiring import current_cadence, open_store, upstreams_in

if TYPE_CHECKING:
    from fetcher.store import SqlStore

PAGE = 5_000
"""Packages read in one query."""

State = Annotated[PackageState | None, typer.Option("--state", help="Only packages in this state.")]
UpstreamName = Annotated[
    str | None, typer.Option("--upstream", metavar="NAME", help="Only packages with a source of this upstream.")
]
Sort = Annotated[str, typer.Option("--sort", metavar="FIELD", help="A field; with - before it, descending.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Most packages to print; default: all.")]


def list_(
    state: State = None,
    search: Annotated[
        str, typer.Option("--search", metavar="WORDS", help="Only packages with all of these words.")
    ] = "",
    upstream: UpstreamName = None,
    sort: Sort = "slug",
    limit: Limit = None,
    json: Json = False,
) -> None:
    """List packages with their state, last fetch and address, one a line; in a pipe separated by tabs.

    In a pipe the columns are: slug, state, last fetched, repository, project, title. Words are found in slug, title,
    description and repository address. Fields to sort by are those of the document, such as `-repo_watchers`.

    Examples: fetcher list · fetcher list --state failing · fetcher list --sort -repo_watchers --limit 10
    · fetcher list --state stale --json
    """
    _print(Listing(search, state, upstream), sort, limit, json=json)


def search(
    words: Annotated[list[str], typer.Argument(help="Words to find, all of them.", show_default=False)],
    state: State = None,
    upstream: UpstreamName = None,
    sort: Sort = "slug",
    limit: Limit = None,
    json: Json = False,
) -> None:
    """List packages with all of these words in slug, title, description or repository address, ignoring case.

    Exits with status 1 if there are none. The output is that of `fetcher list`.

    Examples: fetcher search django vat · fetcher search github.com/jazzband --json
    """
    if not _print(Listing(" ".join(words), state, upstream), sort, limit, json=json):
        raise typer.Exit(1)


def _print(wanted: Listing, sort: str, limit: int | None, *, json: bool) -> int:
    """Print the packages, and return their number."""
    settings, now = read_settings(), datetime.now(UTC)
    wanted = replace(wanted, sort=_column(sort), descending=sort.startswith("-"))
    number = 0
    with open_store(settings) as store:
        if wanted.upstream is not None:
            upstreams_in(settings, store).named(wanted.upstream)
        pages = _pages(store, settings, wanted, limit, now)
        if json:
            rows = [_as_json(row) for page in pages for row in page.rows]
            print_json(rows)
            return len(rows)
        page = None
        for page in pages:
            number += len(page.rows)
            _print_page(page, now, heading=number == len(page.rows))
        if not number:
            err.print(_none(store))
    if page is not None and page.more:
        more = "" if page.counted else f" {page.count - number:,}"
        err.print(f"{counted(number, 'package')}; there are{more} more: raise --limit, or leave it out")
    return number


def _column(sort: str) -> Column:
    try:
        return Column(sort.removeprefix("-"))
    except ValueError:
        fields = ", ".join(Column)
        raise typer.BadParameter(f"{sort!r} is not one of {fields}", param_hint="--sort") from None


def _pages(store: SqlStore, settings: Settings, wanted: Listing, limit: int | None, now: datetime) -> Iterator[Listed]:
    seen, before = 0, stale_before(now, current_cadence(settings, store).longest)
    while limit is None or seen < limit:
        size = PAGE if limit is None else min(PAGE, limit - seen)
        page = store.packages.listing(replace(wanted, limit=size, offset=seen), before)
        if not page.rows:
            return
        yield page
        seen += len(page.rows)
        if not page.more:
            return


def _print_page(page: Listed, now: datetime, *, heading: bool) -> None:
    if not out.is_terminal:
        for row in page.rows:
            fetched = row.last_fetched.isoformat() if row.last_fetched else ""
            cells = (row.slug, row.state.value, fetched, row.repo_url, row.pypi_url, row.title)
            typer.echo("\t".join(_cell(cell) for cell in cells))
        return
    table = plain_table("package", "state", "last fetched", "repository")
    table.show_header = heading
    table.columns[-1].no_wrap = False
    table.columns[-1].overflow = "fold"
    for row in page.rows:
        table.add_row(escape(row.slug), row.state.value, ago(row.last_fetched, now), escape(_cell(row.repo_url)))
    out.print(table)


def _cell(text: str | None) -> str:
    """Return ``text`` complete and on one line, without control characters."""
    return one_line(text, len(text)) if text else ""


def _as_json(row: ListedPackage) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "title": row.title,
        "state": row.state.value,
        "repo_url": row.repo_url,
        "pypi_url": row.pypi_url,
        "last_fetched": row.last_fetched,
        "repo_watchers": row.stars,
        "pypi_version": row.version,
    }


def _none(store: SqlStore) -> str:
    if not store.packages.size():
        return "there are no packages yet: `fetcher import FILE` or `fetcher add REPO_URL`"
    return "no matching packages"
