"""``fetcher show``: a package's fields, with the source and age of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fetcher.catalogue.documents import dump, write_document
from fetcher.cli.named import complete, unknown
from fetcher.cli.screen import out, plain_table
from fetcher.domain.formatting import ago, failure_kind, next_try
from fetcher.domain.model import SourceState, StoredPackage
from fetcher.domain.presentation import failed_for, failing_sources, package_fields, provenance
from fetcher.settings import Settings, read_settings
from fetcher.wiring import open_store

_BARS = "▁▂▃▄▅▆▇█"
_MANY = 12
"""Most participants named in the table. The document has all of them."""
_UNKNOWN = "[dim]–[/]"


class Format(StrEnum):
    TABLE = "table"
    V4 = "v4"


def show(
    slug: Annotated[str, typer.Argument(help="The package.", show_default=False, autocompletion=complete)],
    format_: Annotated[Format, typer.Option("--format", help="A table, or the v4 document.")] = Format.TABLE,
    releases: Annotated[bool, typer.Option("--releases", help="List every release instead.")] = False,
) -> None:
    """Print a package: its values with their source and age, and its commits of 52 weeks.

    Examples: fetcher show django-vies · fetcher show django-vies --format v4 · fetcher show django-vies --releases
    """
    settings = read_settings()
    with open_store(settings) as store:
        package = store.packages.get(slug)
        if package is None:
            raise unknown(store.packages, [slug])
    now = datetime.now(UTC)
    if format_ is Format.V4:
        typer.echo(dump(write_document(package, settings.time_zone, now.date())), nl=False)
    elif releases:
        out.print(_releases_table(package))
    else:
        out.print(package_table(package, settings, now))
        out.print(f"52 weeks {sparkline(write_document(package, settings.time_zone, now.date())['commits_over_52'])}")


def sparkline(weeks: Sequence[int]) -> str:
    """Draw one bar per week. The busiest week fills the line."""
    most = max(weeks, default=0)
    return "".join(_BARS[round(count / most * (len(_BARS) - 1))] if most else _BARS[0] for count in weeks)


def package_table(package: StoredPackage, settings: Settings, now: datetime) -> Table:
    """Return a table of the fields with their source and its last successful fetch, and of the failing sources."""
    document = write_document(package, settings.time_zone, now.date())
    table = plain_table("", "value", "source", "answered", title=f"[bold]{escape(package.entry.title)}[/]")
    table.columns[1].no_wrap = False
    table.columns[1].overflow = "fold"
    if package.retired_at is not None:
        retired = f"{ago(package.retired_at, now)}: not fetched until `fetcher revive {package.entry.slug}`"
        table.add_row("retired", retired, "editors")
    for field in package_fields(package, document):
        answered = ago(field.answered_at, now) if field.source in package.states else ""
        table.add_row(field.name, _text(field.value), provenance(field), answered)
    table.add_row("last fetched", document["last_fetched"] or _UNKNOWN, "all sources")
    for state in failing_sources(package.states.values()):
        table.add_row(f"[red]{state.source}[/]", _failure(state, now), str(state.source), ago(state.answered_at, now))
    return table


def _releases_table(package: StoredPackage) -> Table:
    """Return a table of every release, newest first."""
    table = plain_table("version", "uploaded", "requires python", "remarks")
    for release in reversed(package.versions.releases if package.versions else ()):
        yanked = f"yanked: {release.yanked_reason}" if release.yanked_reason else "yanked" if release.yanked else ""
        marks = ["pre-release" if release.prerelease else "", yanked, "" if release.files else "no files"]
        uploaded = release.uploaded_at.date().isoformat() if release.uploaded_at else ""
        remarks = ", ".join(filter(None, marks))
        table.add_row(escape(release.number), uploaded, escape(release.requires_python or ""), escape(remarks))
    return table


def _text(value: str | int | tuple[str, ...] | None) -> str:
    """Format a field's value. Of a list, name the first items."""
    match value:
        case None | "" | ():
            return _UNKNOWN
        case tuple():
            more = ", …" if len(value) > _MANY else ""
            return escape(f"{len(value)}: {', '.join(value[:_MANY])}{more}")
        case _:
            return escape(str(value))


def _failure(state: SourceState, now: datetime) -> str:
    kind = failure_kind(state).replace("_", " ")
    again = f"; next try {next_try(state, now)}" if state.due_at else ""
    return f"[red]{kind}[/], {failed_for(state, now)}: {escape(state.message or '')}{again}"
