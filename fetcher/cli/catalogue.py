"""``fetcher import`` and ``fetcher add``: commands that add packages to the catalogue."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fetcher.catalogue.addresses import repository_name
from fetcher.catalogue.intake import slugified
from fetcher.cli.importing import Sum, every_rejected, import_all
from fetcher.cli.screen import err, fail, out, print_json
from fetcher.domain.model import CatalogueEntry, RepoRef, Unsupported
from fetcher.settings import read_settings
from fetcher.upstreams.registry import upstreams_of
from fetcher.wiring import open_store


def import_(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|URL|-...", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rejected: Annotated[
        Path | None,
        typer.Option("--rejected", metavar="FILE", help="Write every rejected record to FILE, as JSON lines."),
    ] = None,
) -> None:
    """Import packages: v4 documents, CSV or repository addresses; from files, folders, a directory's API or, -, stdin.

    Importing again changes nothing and skips stored packages quickly. After an interruption, run the same command
    again. A bad record is reported and skipped, the good ones are stored, and the exit status is 1.

    Examples: fetcher import packages.json · fetcher import seeds/ · fetcher import https://directory.example/api/v4/packages/
    """
    settings = read_settings()
    total = Sum()
    with every_rejected(total, rejected):
        try:
            with open_store(settings) as store:
                import_all(store, settings, inputs, total)
        except KeyboardInterrupt:
            err.print(f"interrupted: {total.stored:,} packages are stored; run the same command again to continue")
            raise
    if json:
        print_json(total.as_json())
    else:
        out.print(total.in_words())
    if total.rejected.count:
        raise typer.Exit(1)


def add(
    repo_url: Annotated[str, typer.Argument(help="Repository address.", show_default=False)],
    pypi: Annotated[str | None, typer.Option("--pypi", metavar="NAME", help="PyPI project.")] = None,
) -> None:
    """Add one package by its repository address.

    Example: fetcher add https://github.com/lesscpy/lesscpy --pypi lesscpy
    """
    settings = read_settings()
    upstreams = upstreams_of(settings)
    repo = upstreams.repository(repo_url)
    name = repo.name if isinstance(repo, RepoRef) else repository_name(repo_url)
    if name is None:
        reason = repo.reason if isinstance(repo, Unsupported) else "it is empty"
        fail(f"{repo_url!r} is not a repository address: {reason}")
    project = upstreams.project(pypi)
    if isinstance(project, Unsupported):
        fail(f"--pypi {pypi!r}: {project.reason}")
    with open_store(settings) as store:
        entry = CatalogueEntry(slugified(name), name, repo_url=repo_url, pypi_url=project, complete=False)
        result = store.packages.import_entries([entry], datetime.now(UTC))
    if result.rejected:
        fail(f"{repo_url}: {result.rejected[0][1]}")
    err.print("added" if result.added else "updated" if result.updated else "already stored, nothing changed")
    for slug, reason in result.unsupported:
        err.print(f"[yellow]not fetched[/] {escape(slug)}: {escape(reason)}")
