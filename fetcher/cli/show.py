"""``fetcher show``: the values of one package, with the source and age of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fetcher.catalogue.documents import dump, write_document
from fetcher.cli.named import complete
from fetcher.cli.screen import out, plain_table
from fetcher.domain.errors import UnknownPackage
from fetcher.domain.formatting import ago
from fetcher.domain.model import RepoRef, Source, SourceState, StoredPackage, Unsupported
from fetcher.domain.scheduling import is_gone
from fetcher.settings import Settings, read_settings
from fetcher.wiring import open_store

_BARS = "▁▂▃▄▅▆▇█"
_MANY = 12
"""Participants listed in the table; the document has all of them."""


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
    store, engine = open_store(settings)
    try:
        package = store.package(slug)
    finally:
        engine.dispose()
    if package is None:
        raise UnknownPackage(f"no package is called {slug}", "Add it by `fetcher add REPO_URL` or `fetcher import`")
    now = datetime.now(UTC)
    if format_ is Format.V4:
        typer.echo(dump(write_document(package, settings.time_zone, now.date())), nl=False)
    elif releases:
        out.print(_releases_table(package))
    else:
        out.print(package_table(package, settings, now))
        out.print(f"52 weeks {sparkline(write_document(package, settings.time_zone, now.date())['commits_over_52'])}")


def sparkline(weeks: Sequence[int]) -> str:
    """Draw one bar a week, scaled to the busiest week."""
    most = max(weeks, default=0)
    return "".join(_BARS[round(count / most * (len(_BARS) - 1))] if most else _BARS[0] for count in weeks)


def package_table(package: StoredPackage, settings: Settings, now: datetime) -> Table:
    """Build the table of values, each with its source and the age of that source's last response."""
    document = write_document(package, settings.time_zone, now.date())
    table = plain_table("", "value", "source", "answered", title=f"[bold]{escape(package.entry.title)}[/]")
    table.columns[1].no_wrap = False
    table.columns[1].overflow = "fold"
    states = package.states

    def row(name: str, value: object, source: Source | None = None) -> None:
        state = states.get(source) if source else None
        table.add_row(
            name,
            escape(str(value)) if value not in (None, "") else "[dim]–[/]",
            str(source or "editors"),
            ago(state.answered_at, now) if state else "",
        )

    stats, versions = package.stats, package.versions
    if package.retired_at is not None:
        row("retired", f"{ago(package.retired_at, now)}: not fetched until `fetcher revive {package.entry.slug}`")
    row("repository", _place(package.repo, package.entry.repo_url))
    row("stars", document["repo_watchers"], Source.GITHUB)
    row("forks", document["repo_forks"], Source.GITHUB)
    row("watchers", stats.watchers if stats else None, Source.GITHUB)
    row("description", document["repo_description"], Source.GITHUB)
    row("last commit", document["last_updated"], Source.GITHUB)
    row("flags", _flags(package), Source.GITHUB)
    weeks = document["commits_over_52"]
    row("52 weeks", f"{sum(weeks)} commits" if weeks else None, Source.COMMITS)
    row("participants", _people(document["participants"]), Source.CONTRIBUTORS)
    row("project", _place(package.project, package.entry.pypi_url))
    row("version", document["pypi_version"], Source.PYPI)
    if versions is not None:
        yanked = sum(release.yanked for release in versions.releases)
        row("releases", f"{len(versions.releases)}" + (f", {yanked} yanked" if yanked else ""), Source.PYPI)
        row("status", versions.status, Source.PYPI)
        row("licence", versions.info.licence if versions.info else None, Source.PYPI)
    row("documentation", document["documentation_url"], None if package.entry.documentation_url else Source.PYPI)
    table.add_row("last fetched", document["last_fetched"] or "[dim]–[/]", "all sources")
    for source, state in sorted(states.items()):
        if state.failures:
            table.add_row(f"[red]{source}[/]", _trouble(state, now), str(source), ago(state.answered_at, now))
    return table


def _releases_table(package: StoredPackage) -> Table:
    """Build the table of releases, newest first."""
    table = plain_table("version", "uploaded", "requires python", "remarks")
    for release in reversed(package.versions.releases if package.versions else ()):
        yanked = f"yanked: {release.yanked_reason}" if release.yanked_reason else "yanked" if release.yanked else ""
        marks = ["pre-release" if release.prerelease else "", yanked, "" if release.files else "no files"]
        uploaded = release.uploaded_at.date().isoformat() if release.uploaded_at else ""
        remarks = ", ".join(filter(None, marks))
        table.add_row(escape(release.number), uploaded, escape(release.requires_python or ""), escape(remarks))
    return table


def _place(found: RepoRef | str | Unsupported | None, stated: str | None) -> str | None:
    match found:
        case RepoRef():
            moved = f" (now {found.full_name})" if stated and found.name.lower() not in stated.lower() else ""
            return f"{stated}{moved}"
        case Unsupported():
            return f"{stated} – not fetched: {found.reason}"
        case _:
            return found or stated


def _flags(package: StoredPackage) -> str | None:
    stats = package.stats
    if stats is None:
        return None
    flags = [name for name in ("archived", "disabled", "empty") if getattr(stats, name)]
    return ", ".join(flags) or "none"


def _people(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MANY])
    return f"{len(names)}: {shown}" + (", …" if len(names) > _MANY else "") if names else ""


def _trouble(state: SourceState, now: datetime) -> str:
    kind = "gone" if is_gone(state) else (state.outcome or "failing").replace("_", " ")
    again = f"; next try {ago(state.due_at, now)}" if state.due_at else ""
    return f"[red]{kind}[/] ({state.failures} in a row): {escape(state.message or '')}{again}"
