"""``fetcher refresh``: a refresh in this process, or through Celery with ``--queue``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fetcher.broker import embedded_redis_runs
from fetcher.cli.audit import log_action
from fetcher.cli.named import complete, named_to_fetch
from fetcher.cli.refresh_results import print_summary, results
from fetcher.cli.refreshing import SLICE, Run
from fetcher.cli.screen import err, fail, print_json
from fetcher.cli.spans import MAX_WAIT, MaxWait
from fetcher.domain.audit import Action
from fetcher.domain.errors import UnfetchablePackage
from fetcher.domain.model import Purpose, Source
from fetcher.domain.pauses import refuse_if_paused
from fetcher.settings import Settings, read_settings
from fetcher.upstreams.registry import KINDS
from fetcher.wiring import open_parts, open_store, upstreams_in

if TYPE_CHECKING:
    from fetcher.store import SqlStore

NAMES = ", ".join(kind.name for kind in KINDS)

GATEWAY_WAIT = timedelta(seconds=5)
"""Longest wait of one request inside the gateway. Longer waits are between rounds, with a notice."""


class Mode(StrEnum):
    NAMED = "named"
    DUE = "due"
    ALL = "all"


def refresh(  # noqa: PLR0913, PLR0917  (the options of the command)
    slugs: Annotated[
        list[str] | None,
        typer.Argument(help="Packages to refresh now.", show_default=False, autocompletion=complete),
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="Refresh all due packages.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Refresh every package.")] = False,
    source: Annotated[
        str | None,
        typer.Option(metavar="UPSTREAM", help=f"Request only this upstream: {', '.join(kind.name for kind in KINDS)}."),
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Enqueue it for the workers and return.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="With --queue: follow the refreshes to their end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    max_wait: MaxWait = MAX_WAIT,
) -> None:
    """Refresh packages in this process with a progress bar, or by the workers with --queue.

    If the rest has to wait longer than --max-wait, it ends with status 75, names the rest, and keeps the refreshed
    data. In a pipe it prints each minute why it waits and until when.

    Examples: fetcher refresh django-vies · fetcher refresh django-vies --queue · fetcher refresh --due --source pypi
    · fetcher refresh django-vies --queue --wait · fetcher refresh --all --max-wait 1:30:00
    """
    if [bool(slugs), due, all_].count(True) != 1:
        fail("name the packages to refresh, or give one of --due and --all")
    if wait and not queue:
        fail("--wait needs --queue: without it, the command waits anyway")
    settings = read_settings()
    mode = Mode.NAMED if slugs else Mode.DUE if due else Mode.ALL
    if wait and (mode is not Mode.NAMED or source is not None):
        fail("--wait follows named packages with all of their sources: name them, without --source")
    with open_store(settings) as store:
        background = queue and mode is not Mode.NAMED
        check_not_paused(store, Purpose.BACKGROUND if background else Purpose.MANUAL)
        sources = tuple(Source) if source is None else upstreams_in(settings, store).named(source).sources
        package_ids = _chosen(store, mode, slugs or [], sources, source)
    if not package_ids:
        err.print(
            "nothing is due" if due else "there are no packages yet: add some by `fetcher import` or `fetcher add`"
        )
    else:
        carry_out(
            settings,
            package_ids,
            sources,
            mode,
            queue=queue,
            upstream=source,
            max_wait=max_wait,
            wait=wait,
            json=json,
        )


def carry_out(  # noqa: PLR0913  (the options of the command by their names)
    settings: Settings,
    package_ids: Sequence[int],
    sources: Sequence[Source],
    mode: Mode,
    *,
    queue: bool,
    upstream: str | None = None,
    max_wait: timedelta = MAX_WAIT,
    wait: bool = False,
    json: bool = False,
    action: Action = Action.REFRESH,
) -> None:
    """Refresh in this process or enqueue for the workers.

    Exit with status 1 if a package failed, and with status 75 if one is still open after ``max_wait``.
    """
    if queue and mode is Mode.NAMED:
        _refuse_unfetchable(settings, package_ids)
    with open_store(settings) as store:
        words = [f"--{mode}" if mode is not Mode.NAMED else "", f"--source {upstream}" if upstream else ""]
        detail = " ".join(word for word in (*words, "--queue" if queue else "") if word) or None
        log_action(store, action, package_ids, datetime.now().astimezone(), detail=detail)
    if queue:
        from fetcher.cli.queued import enqueue  # noqa: PLC0415  (only --queue needs Celery: half a second)

        status = enqueue(
            settings,
            package_ids,
            sources,
            Purpose.MANUAL if mode is Mode.NAMED else Purpose.BACKGROUND,
            upstream,
            wait=max_wait if wait else None,
            json=json,
        )
    else:
        status = asyncio.run(_refresh_here(settings, package_ids, sources, mode, upstream, max_wait, json=json))
    if status:
        raise typer.Exit(status)


def check_not_paused(store: SqlStore, purpose: Purpose) -> None:
    """Raise ``PausedWork`` if an operator has paused requests of ``purpose``."""
    now = datetime.now().astimezone()
    refuse_if_paused(store.pauses.active(now), purpose, now)


def _refuse_unfetchable(settings: Settings, package_ids: Sequence[int]) -> None:
    """Raise ``UnfetchablePackage`` if a package has no source: no worker could refresh it."""
    with open_store(settings) as store:
        known = store.claims.with_sources(package_ids)
        slugs = " ".join(sorted(store.packages.slugs([one for one in package_ids if one not in known]).values()))
    if slugs:
        raise UnfetchablePackage(f"nothing to fetch: {slugs}", "`fetcher show SLUG` prints a package's addresses")


def _chosen(
    store: SqlStore, mode: Mode, slugs: Sequence[str], sources: Sequence[Source], upstream: str | None
) -> list[int]:
    if mode is Mode.NAMED:
        return named_to_fetch(store.packages, slugs)
    if mode is Mode.DUE:
        return store.claims.due_ids(sources, datetime.now().astimezone(), upstream)
    return store.claims.due_ids(None, None, upstream)


async def _refresh_here(
    settings: Settings,
    package_ids: Sequence[int],
    sources: Sequence[Source],
    mode: Mode,
    upstream: str | None,
    max_wait: timedelta,
    *,
    json: bool = False,
) -> int:
    """Refresh until every source has responded or failed, or has to wait too long; return the exit status."""
    shared = settings.redis_url is not None or embedded_redis_runs(settings)
    parts = await open_parts(settings, max_wait=min(GATEWAY_WAIT, max_wait), shared=shared)
    # Background pacing reserves quota for users' requests. It suits long passes; a few packages need no pacing.
    purpose = Purpose.MANUAL if mode is Mode.NAMED or len(package_ids) <= SLICE else Purpose.BACKGROUND
    serving = parts.store.claims.upstreams(package_ids)
    for one in parts.upstreams.all:
        if one.notice and one.name in serving and upstream in (None, one.name):
            err.print(one.notice)
    try:
        with _display(len(package_ids)) as display:
            run = Run(parts.service, parts.quota, parts.clock, parts.upstreams, purpose, max_wait, display, upstream)
            tally = await run.until_settled(package_ids, sources)
        if mode is not Mode.NAMED:  # packages without a source are skipped unless named
            package_ids = [package_id for package_id in package_ids if package_id in tally.requested]
        slugs = parts.store.packages.slugs(package_ids)
        if json:
            print_json(results(tally, package_ids, slugs))
        return print_summary(tally, package_ids, slugs)
    finally:
        await parts.aclose()


class RateColumn(ProgressColumn):
    """Progress column with packages per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "-/s")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("failures {task.fields[failures]}"),
        TextColumn("[dim]{task.fields[note]}"),
        console=err,
    )


class Bar:
    """The display of a run: a bar with a note on a terminal, lines in a pipe."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def progress(self, done: int, failures: int) -> None:
        self._progress.update(self._task, completed=done, failures=failures)

    def note(self, text: str) -> None:
        self._progress.update(self._task, note=escape(text))

    def line(self, text: str) -> None:
        if not err.is_terminal:
            err.print(escape(text))


@contextmanager
def _display(total: int) -> Iterator[Bar]:
    with _bar() as progress:
        yield Bar(progress, progress.add_task("refreshing", total=total, failures=0, note=""))
