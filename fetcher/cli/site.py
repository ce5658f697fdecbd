"""``fetcher site``: passes over a directory's own database, its check, the role's grants, and the way back."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from fetcher.cli.refresh import Mode, carry_out, check_not_paused
from fetcher.cli.screen import Json, complain, err, out, print_json
from fetcher.cli.spans import MAX_WAIT, MaxWait
from fetcher.cli.users import system_user
from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.errors import FetcherError, SiteError, UnsupportedSite
from fetcher.domain.formatting import counted
from fetcher.domain.model import Purpose, Source
from fetcher.domain.sites import RowChange, SitePass
from fetcher.domain.text import one_line
from fetcher.settings import Settings, read_settings
from fetcher.wiring import open_site, open_store, synchronizer

if TYPE_CHECKING:
    from fetcher.sites.base import Site
    from fetcher.sites.synchronizer import Comparison
    from fetcher.store import SqlStore

UNSUPPORTED = 2
"""Exit status for tables of a form that is not supported. Nothing was read or written."""

SHOWN, SHOWN_END = 80, 30
"""Longest text of a value in the list of differences, and of the end of a longer one. JSON has the full values."""

app = typer.Typer(
    no_args_is_help=True, help="Keep a directory's own database up to date: check, dry run, passes, and the way back."
)


@app.callback()
def _root() -> None:
    """Keep a directory's own database up to date: check, dry run, passes, and the way back."""


@app.command()
def sync(
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the differences, and write nothing to the site (read-only transaction)."),
    ] = False,
    no_refresh: Annotated[
        bool, typer.Option("--no-refresh", help="Request nothing: compare with the values stored by now.")
    ] = False,
    json: Json = False,
    max_wait: MaxWait = MAX_WAIT,
) -> None:
    """Carry out one full pass in this process: read the site's catalogue, refresh what is due, write what differs.

    The catalogue is imported into Fetcher's own database, also by a dry run. Worker and beat do the same each minute.
    Exits with status 1 if a due package could not be refreshed; with --no-refresh none is.

    Examples: fetcher site sync --dry-run · fetcher site sync --dry-run --no-refresh --json · fetcher site sync
    """
    settings = read_settings()
    with _open(settings, read_only=dry_run) as (site, store):
        if not (dry_run and no_refresh):
            check_not_paused(store, Purpose.MANUAL)
        reading = synchronizer(settings, site, store).read(datetime.now(UTC))
        for finding in site.check():
            if not finding.ok:
                err.print(f"[bold yellow]warning:[/] {escape(f'{finding.message}. {finding.remedy}')}")
        if not json:
            err.print(f"read {counted(reading.packages, 'package')} of the form {site.form}: {reading.added} added")
        status = 0 if no_refresh else _refresh_due(settings, store, max_wait)
        passing, now = synchronizer(settings, site, store), datetime.now(UTC)
        if dry_run:
            _show_differences(passing.compare(passing.read(now), now), json=json)
        else:
            _show_pass(passing.run(now), json=json)
    if status:
        raise typer.Exit(status)


@app.command()
def check(json: Json = False) -> None:
    """Report the form of the site's tables, the columns that it lacks, and rights that are missing or too many.

    Examples: fetcher site check · fetcher site check --json
    """
    with _open(read_settings(), read_only=True) as (site, _):
        findings = site.check()
    if json:
        print_json([asdict(finding) for finding in findings])
    for finding in () if json else findings:
        out.print(f"{'[green]ok[/]  ' if finding.ok else '[bold red]fail[/]'} {escape(finding.message)}")
        if not finding.ok:
            out.print(f"     → {escape(finding.remedy)}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def grants() -> None:
    """Print the SQL that creates a role with the least rights, for the columns that the site has.

    Any role that may connect can run this command. The owner of the tables runs the SQL.

    Example: fetcher site grants
    """
    site = open_site(read_settings(), read_only=True)
    try:
        with _refusing_unsupported():
            typer.echo(site.grants())
    finally:
        site.close()


@app.command()
def revert() -> None:
    """Restore the first overwritten value of each column, where the site still has Fetcher's.

    Stop the workers first, because their next pass writes again. Rows of versions that were added stay.

    Example: fetcher site revert
    """
    settings = read_settings()
    with _open(settings) as (site, store):
        restored = synchronizer(settings, site, store).revert()
        entry = AuditEntry(datetime.now(UTC), system_user(), Action.SITE_REVERT, detail=counted(restored, "value"))
        store.audit.append([entry])
    err.print(f"{counted(restored, 'value')} restored")


@contextmanager
def _open(settings: Settings, *, read_only: bool = False) -> Iterator[tuple[Site, SqlStore]]:
    """Open the site and the store; exit with status 2 for tables that are not supported."""
    site = open_site(settings, read_only=read_only)
    try:
        with _refusing_unsupported():
            site.inspect()
            with open_store(settings) as store:
                yield site, store
    finally:
        site.close()


@contextmanager
def _refusing_unsupported() -> Iterator[None]:
    try:
        yield
    except UnsupportedSite as error:
        complain(str(error))
        raise typer.Exit(UNSUPPORTED) from None


def _refresh_due(settings: Settings, store: SqlStore, max_wait: timedelta) -> int:
    """Refresh the due packages that the site lists; return the exit status of the refresh."""
    listed = store.sites.linked()
    due = [one for one in store.claims.due_ids(tuple(Source), datetime.now(UTC), None) if one in listed]
    if not due:
        return 0
    try:
        carry_out(settings, due, tuple(Source), Mode.DUE, queue=False, max_wait=max_wait)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def _show_differences(compared: Comparison, *, json: bool) -> None:
    changes = [*compared.dirty, *compared.stale]
    skipped = dict(sorted(compared.skipped.items()))
    slugs = compared.slugs
    if json:
        print_json(
            {
                "changes": [change for one in changes for change in _changes(one)],
                "skipped": [{"slug": slugs[one], "reason": reason} for one, reason in skipped.items()],
            }
        )
        return
    for one in compared.dirty:
        for change in _changes(one):
            before, after = _shown(change["before"], change["after"])
            out.print(escape(f"{change['slug']}.{change['column']}: {before} -> {after}"))
    for one_id, reason in skipped.items():
        out.print(escape(f"skipped {slugs[one_id]}: {reason}"))
    columns = sum(len(one.changes) for one in compared.dirty)
    out.print(
        f"{counted(len(compared.dirty), 'package')} would change, in {counted(columns, 'column')}; "
        f"last_fetched alone in {len(compared.stale):,}; {compared.equal:,} equal; "
        f"{compared.waiting:,} not fetched yet; {len(skipped):,} skipped; nothing was written"
    )


def _changes(change: RowChange) -> Iterator[dict[str, Any]]:
    slug = change.row.entry.slug
    for one in change.changes:
        column = f"version.{one.column}" if one.version else one.column
        yield {"slug": slug, "column": column, "before": one.before, "after": one.after}


def _shown(before: Any, after: Any) -> tuple[str, str]:
    """Return two values as short lines: JSON, with times in ISO 8601. Long ones begin near the first difference."""
    texts = [json_text.dumps(one, ensure_ascii=False, default=datetime.isoformat) for one in (before, after)]
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False)))
    start = max(same - SHOWN // 3, 0) if max(map(len, texts)) > SHOWN else 0
    cut = [_shortened(text[start:]) for text in texts]
    return (f"…{cut[0]}", f"…{cut[1]}") if start else (cut[0], cut[1])


def _shortened(text: str) -> str:
    """Return a value as one line of at most ``SHOWN`` characters with its end, because newest weeks come last."""
    if len(text) <= SHOWN:
        return one_line(text)
    return f"{one_line(text[: SHOWN - SHOWN_END - 1])}…{one_line(text[-SHOWN_END:])}"


def _show_pass(done: SitePass, *, json: bool) -> None:
    if json:
        print_json(asdict(done))
    if done.fault is not None:
        raise SiteError(done.fault)
    if json:
        return
    out.print(
        f"{counted(done.written, 'package')} written, last_fetched alone in {done.touched}, {done.locked} locked, "
        f"{done.refused} refused, {done.skipped} skipped"
    )
    for reason, number in done.reasons.items():
        out.print(escape(f"skipped {number}: {reason}"))


def check_lines(settings: Settings) -> list[tuple[bool, str, str]]:
    """Return the findings of ``fetcher site check`` for ``fetcher doctor``: whether each is ok, text and remedy."""
    if settings.site_url is None:
        return []
    try:
        site = open_site(settings, read_only=True)
        try:
            return [(one.ok, one.message, one.remedy) for one in site.check()]
        finally:
            site.close()
    except FetcherError as error:
        return [(False, error.message, error.remedy)]
