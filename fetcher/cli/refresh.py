"""``fetcher refresh``: a refresh in this process, or through Celery with ``--queue``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, assert_never

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
from fetcher.cli.named import complete, named_to_fetch
from fetcher.cli.screen import complain, err, fail
from fetcher.domain.formatting import counted, span
from fetcher.domain.model import (
    Deferral,
    GivenBack,
    MadeDue,
    Observed,
    OutcomeKind,
    Purpose,
    Record,
    Source,
)
from fetcher.domain.views import SubmittedRefresh
from fetcher.quota import PauseCause, Quota, QuotaStatus
from fetcher.settings import Settings, read_settings
from fetcher.upstreams.registry import KINDS, upstreams_of
from fetcher.wiring import Parts, open_parts, open_store

if TYPE_CHECKING:
    from fetcher.store import SqlStore

NAMES = ", ".join(kind.name for kind in KINDS)

SLICE = 50
"""Packages refreshed between two updates of the progress bar."""

NOT_READY_PATIENCE = timedelta(seconds=90)
"""Longest wait for statistics that GitHub is still computing."""


FOLLOWED = 10
"""Queued packages whose status address is printed; the others are only counted."""


class Mode(StrEnum):
    NAMED = "named"
    DUE = "due"
    ALL = "all"


@dataclass(slots=True)
class Tally:
    """Results of a run, by package and source."""

    done: set[int] = field(default_factory=set)
    requested: set[int] = field(default_factory=set)
    failed: dict[tuple[int, Source], Observed] = field(default_factory=dict)
    open: dict[int, set[Source]] = field(default_factory=dict)
    """Sources still to be refreshed, waiting for quota or for GitHub's statistics."""
    wait_until: datetime | None = None
    unready: bool = False
    rejected: str = ""
    """The reason of a rejected credential, and its remedy; "" without one. The run then ends: waiting does not help."""

    def take(self, package_ids: Sequence[int], records: Sequence[Record]) -> None:
        """Sort the records of one slice into done, failed and open."""
        for package_id in package_ids:
            self.open.pop(package_id, None)
        for record in records:
            self.requested.add(record.package_id)
            match record:
                case Observed():
                    self._observe(record)
                case Deferral():
                    self._wait(record)
                case GivenBack() | MadeDue():
                    pass
                case _:
                    assert_never(record)
        self.done.update(package_id for package_id in package_ids if package_id not in self.open)

    def _observe(self, record: Observed) -> None:
        key = (record.package_id, record.source)
        if record.answered:
            self.failed.pop(key, None)
        elif record.outcome is OutcomeKind.THROTTLED:
            self._wait(record)
        elif record.outcome is OutcomeKind.NOT_READY:
            self.open.setdefault(record.package_id, set()).add(record.source)
            self.unready = True
        else:
            self.failed[key] = record

    def _wait(self, record: Observed | Deferral) -> None:
        self.open.setdefault(record.package_id, set()).add(record.source)
        if record.due_at is not None and (self.wait_until is None or record.due_at < self.wait_until):
            self.wait_until = record.due_at


def refresh(
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
) -> None:
    """Refresh packages in this process with a progress bar, or by the workers with --queue.

    Examples: fetcher refresh django-vies · fetcher refresh django-vies --queue · fetcher refresh --due --source pypi
    · fetcher refresh --all --queue
    """
    if [bool(slugs), due, all_].count(True) != 1:
        fail("name the packages to refresh, or give one of --due and --all")
    settings = read_settings()
    sources = tuple(Source) if source is None else upstreams_of(settings).named(source).sources
    mode = Mode.NAMED if slugs else Mode.DUE if due else Mode.ALL
    with open_store(settings) as store:
        package_ids = _chosen(store, mode, slugs or [], sources, source)
    if not package_ids:
        err.print(
            "nothing is due" if due else "there are no packages yet: add some by `fetcher import` or `fetcher add`"
        )
    else:
        carry_out(settings, package_ids, sources, mode, queue=queue, upstream=source)


def carry_out(
    settings: Settings,
    package_ids: Sequence[int],
    sources: Sequence[Source],
    mode: Mode,
    *,
    queue: bool,
    upstream: str | None = None,
) -> None:
    """Refresh in this process or enqueue for the workers; exit with status 1 if a package failed or is still open."""
    if queue:
        _enqueue(settings, package_ids, sources, mode, upstream)
    elif not asyncio.run(_refresh_here(settings, package_ids, sources, mode, upstream)):
        raise typer.Exit(1)


def _chosen(
    store: SqlStore, mode: Mode, slugs: Sequence[str], sources: Sequence[Source], upstream: str | None
) -> list[int]:
    if mode is Mode.NAMED:
        return named_to_fetch(store.packages, slugs)
    if mode is Mode.DUE:
        return store.claims.due_ids(sources, datetime.now().astimezone(), upstream)
    return store.claims.due_ids(None, None, upstream)


def _enqueue(
    settings: Settings, package_ids: Sequence[int], sources: Sequence[Source], mode: Mode, upstream: str | None
) -> None:
    """Enqueue for the workers. Named packages with all sources get a refresh request each, to be followed."""
    from tasks.requests import enqueue_refresh, request_refreshes  # noqa: PLC0415  (only --queue needs Celery: half a second)

    submitted: list[SubmittedRefresh] = []
    if mode is Mode.NAMED and set(sources) == set(Source):
        with open_store(settings) as store:
            submitted = request_refreshes(store.requests, package_ids, datetime.now().astimezone())
    else:
        purpose = Purpose.MANUAL if mode is Mode.NAMED else Purpose.BACKGROUND
        enqueue_refresh(package_ids, sources, purpose, upstream)
    err.print(f"queued {counted(len(package_ids), 'package')}; `fetcher queues` shows the progress")
    for one in submitted[:FOLLOWED]:
        where = f"http://{settings.web_host}:{settings.web_port}/api/v4/refreshes/{one.request.id}/"
        joined = " (already requested)" if one.joined else ""
        err.print(f"{escape(one.request.slug)}: {where}{joined}")


async def _refresh_here(
    settings: Settings, package_ids: Sequence[int], sources: Sequence[Source], mode: Mode, upstream: str | None
) -> bool:
    """Refresh in this process until every source has responded or failed; return whether all succeeded."""
    shared = settings.redis_url is not None or embedded_redis_runs(settings)
    parts = await open_parts(settings, max_wait=timedelta(seconds=5), shared=shared)
    # Background pacing reserves quota for users' requests. It suits long passes; a few packages need no pacing.
    purpose = Purpose.MANUAL if mode is Mode.NAMED or len(package_ids) <= SLICE else Purpose.BACKGROUND
    for one in parts.upstreams.all:
        if one.notice and upstream in (None, one.name):
            err.print(one.notice)
    try:
        tally = await _until_settled(parts, package_ids, sources, purpose, upstream)
        if mode is not Mode.NAMED:  # packages without a source are skipped unless named
            package_ids = [package_id for package_id in package_ids if package_id in tally.requested]
        return _report(tally, parts, package_ids)
    finally:
        await parts.aclose()


async def _until_settled(
    parts: Parts, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose, upstream: str | None
) -> Tally:
    tally, gave_up, pause = Tally(), parts.clock.now() + NOT_READY_PATIENCE, 1.0
    with _bar() as progress:
        task = progress.add_task("refreshing", total=len(package_ids), failures=0, note="")
        await _round(parts, {frozenset(sources): list(package_ids)}, purpose, upstream, tally, progress, task)
        while tally.open and (tally.wait_until is not None or parts.clock.now() < gave_up):
            now = parts.clock.now()
            rejected = await rejection(parts.quota, now)
            if rejected is not None:
                remedy = parts.upstreams.named(rejected.upstream).rejected_remedy
                tally.rejected = f"{rejected.pause_reason}. {remedy}"
                break
            if tally.wait_until is not None and not tally.unready:
                wait = max((tally.wait_until - now).total_seconds(), 0.1)
                note = f"waiting {span(timedelta(seconds=wait))} for quota (Ctrl-C is safe)"
            else:
                wait, pause = pause, min(pause * 2, 15.0)
                note = "GitHub is computing statistics"
            progress.update(task, note=note)
            await asyncio.sleep(wait)
            progress.update(task, note="")
            tally.wait_until, tally.unready = None, False
            groups: dict[frozenset[Source], list[int]] = {}
            for package_id, left in tally.open.items():
                groups.setdefault(frozenset(left), []).append(package_id)
            await _round(parts, groups, purpose, upstream, tally, progress, task)
    return tally


async def rejection(quota: Quota, now: datetime) -> QuotaStatus | None:
    """Return the quota that is paused for a rejected credential. Waiting does not end such a pause."""
    statuses = await quota.quota_status(now)
    return next((one for one in statuses if one.pause_cause is PauseCause.REJECTED), None)


async def _round(
    parts: Parts,
    groups: dict[frozenset[Source], list[int]],
    purpose: Purpose,
    upstream: str | None,
    tally: Tally,
    progress: Progress,
    task: TaskID,
) -> None:
    """Refresh the open sources once, slice by slice."""
    for sources, package_ids in groups.items():
        ordered = [source for source in Source if source in sources]
        for start in range(0, len(package_ids), SLICE):
            part = package_ids[start : start + SLICE]
            report = await parts.service.refresh_packages(part, ordered, purpose, upstream)
            tally.take(part, report.records)
            progress.update(task, completed=len(tally.done), failures=len(tally.failed))


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


def _report(tally: Tally, parts: Parts, package_ids: Sequence[int]) -> bool:
    slugs = parts.store.packages.slugs(package_ids)
    for (package_id, source), record in sorted(tally.failed.items()):
        err.print(f"[red]{escape(slugs.get(package_id, str(package_id)))}[/]: {source}: {escape(record.message or '')}")
    if tally.rejected:
        complain(f"{tally.rejected}; then `fetcher refresh --due`")
    for package_id, sources in () if tally.rejected else sorted(tally.open.items()):
        names = ", ".join(sorted(sources))
        slug = escape(slugs.get(package_id, str(package_id)))
        err.print(f"[yellow]{slug}[/]: {names}: no response yet; requested again when due")
    sourceless = [package_id for package_id in package_ids if package_id not in tally.requested]
    for package_id in sourceless:
        slug = escape(slugs.get(package_id, str(package_id)))
        err.print(f"[red]{slug}[/]: nothing to fetch: `fetcher show {slug}` prints its addresses")
    failed = {package_id for package_id, _ in tally.failed} | set(tally.open) | set(sourceless)
    err.print(f"refreshed {len(package_ids) - len(failed)} of {counted(len(package_ids), 'package')}")
    return not failed
