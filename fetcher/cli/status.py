"""``fetcher status``: freshness, due and failing packages, forecast, quota, beat and workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from fetcher.cli.screen import Json, out, plain_table, print_json
from fetcher.cli.watching import check_watch, watch_until_interrupted
from fetcher.domain.catalogue_stats import CatalogueStats, SourceStats
from fetcher.domain.errors import result_or_error
from fetcher.domain.formatting import ago, counted, in_words, percent, silence, span
from fetcher.domain.model import SharedRepository, Source
from fetcher.domain.pauses import OperatorPause
from fetcher.domain.presentation import intervals_in_words, sweep_facts
from fetcher.domain.scheduling import Cadence
from fetcher.domain.site_report import fault_in_words, pass_in_words
from fetcher.domain.sites import SitePass
from fetcher.domain.sweeping import SweepPlan
from fetcher.domain.sync_report import SyncState, sync_fault_in_words, sync_in_words
from fetcher.ports import PLANNED
from fetcher.quota import QuotaStatus
from fetcher.refresh.first_pass import first_pass_in_words, outlook
from fetcher.refresh.forecast import Forecast
from fetcher.settings import Settings, read_settings
from fetcher.store.db_errors import shown
from fetcher.store.webhooks import Backlog
from fetcher.sync.schedule import schedule_of
from fetcher.upstreams.base import FeedStatus
from fetcher.wiring import current_cadence, last_site_pass, open_store, shared_quota_status, upstreams_in

if TYPE_CHECKING:
    from fetcher.store import SqlStore

Check = Annotated[bool, typer.Option("--check", help="Exit with status 1 unless beat and workers run.")]
Watch = Annotated[bool, typer.Option("--watch", help="Refresh the display every two seconds until Ctrl-C.")]


@dataclass(frozen=True, slots=True)
class Status:
    """Data of one status display, as of ``now``."""

    now: datetime
    cadence: Cadence
    plans: Sequence[SweepPlan]
    titles: Mapping[str, str]
    """The upstreams' titles, by name."""
    stats: CatalogueStats
    forecasts: Mapping[Source, Forecast]
    first_pass: str | None
    """The first pass with its forecast; ``None`` if every package was fetched."""
    shared: Sequence[SharedRepository]
    quota: Sequence[QuotaStatus]
    planned_at: datetime | None
    silence: str | None
    workers: Sequence[str]
    pauses: Sequence[OperatorPause]
    feeds: Sequence[FeedStatus]
    webhooks: Backlog
    broker_fault: str | None
    """The reason that quota and workers are unknown; ``None`` if they are known."""
    database: str
    """The database that was read, without its password."""
    site: SitePass | None = None
    """The last pass over a site's own database; ``None`` if there was none."""
    sync: SyncState | None = None
    """The last scheduled reading of ``FETCHER_SYNC_SOURCE``; ``None`` without a source."""

    @property
    def running(self) -> bool:
        """True if beat plans and at least one worker responds, without which nothing is refreshed in the background."""
        return self.silence is None and bool(self.workers) and self.broker_fault is None


def status(json: Json = False, watch: Watch = False, check: Check = False) -> None:
    """Show freshness, due packages, the expected end of the pass, failures, quota, beat and workers.

    Examples: fetcher status · fetcher status --watch · fetcher status --json · fetcher status --check
    """
    check_watch(watch=watch, json=json)
    settings = read_settings()
    with open_store(settings) as store:
        if watch:
            watch_until_interrupted(lambda: _screen(look(settings, store)))
            return
        current = look(settings, store)
    if json:
        print_json(_json(current))
    else:
        out.print(_screen(current))
    if check and not current.running:
        raise typer.Exit(1)


def look(settings: Settings, store: SqlStore) -> Status:
    """Read all of a ``Status``. Workers have one second to respond, during which the database is read."""
    now, cadence = datetime.now(UTC), current_cadence(settings, store)
    interval = cadence.longest
    schedule = schedule_of(settings, store.checkpoints)
    upstreams = upstreams_in(settings, store)
    quota, fault = result_or_error(lambda: asyncio.run(shared_quota_status(settings, upstreams, now)))
    names: Sequence[str] | None = None
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(result_or_error, _worker_names) if fault is None else None
        stats = store.statistics.read(now, interval)
        pauses = store.pauses.active(now)
        planned_at = store.checkpoints.get(PLANNED).observed_at
        shared = store.packages.shared_repositories() if stats.parts == 1 else []
        if answers is not None:
            names, fault = answers.result()
    titles = {one.name: one.title for one in upstreams.all}
    ahead = outlook(stats, now, interval, quota or (), upstreams.lanes, titles, settings.window_scale)
    return Status(
        now=now,
        cadence=cadence,
        plans=() if settings.fixed_interval else store.sweeps.plans(),
        titles=titles,
        stats=stats,
        forecasts=ahead.forecasts,
        first_pass=first_pass_in_words(ahead),
        shared=shared,
        quota=quota or (),
        planned_at=planned_at,
        silence=silence(planned_at, now, settings.plan_interval, embedded=settings.redis_url is None),
        workers=names or (),
        pauses=pauses,
        feeds=upstreams.feeds(store.checkpoints.get),
        webhooks=store.webhooks.backlog(),
        broker_fault=fault,
        database=shown(store.engine.url),
        site=last_site_pass(settings, store),
        sync=schedule.state() if schedule is not None else None,
    )


def _worker_names() -> Sequence[str]:
    from tasks.inspection import worker_names  # noqa: PLC0415  (Celery takes half a second to import)

    return worker_names()


# --- text output -------------------------------------------------------------------------------------------------


def _screen(status: Status) -> RenderableType:
    stats, now = status.stats, status.now
    lines: list[RenderableType] = [*_paused(status), _packages(status), "", _freshness(status), "", _pass(status), ""]
    if status.first_pass:
        lines.append(status.first_pass)
    if stats.failures:
        kinds = (f"{number:,} {kind.replace('_', ' ')}" for kind, number in stats.failures.items())
        lines.append(f"failing: {', '.join(kinds)} (see `fetcher failures`)")
    lines += [
        f"one repository: {escape(', '.join(one.slugs))} are all {escape(one.full_name)}" for one in status.shared
    ]
    lines += [_quota(one, now) for one in status.quota]
    lines += [f"interval: {escape(line)}" for line in intervals_in_words(status.cadence, status.plans, status.titles)]
    lines += [f"interval: projects each {span(status.cadence.index_interval)}", _next_sweep(status)]
    lines += [f"feed of {one.title}: {escape(one.in_words(now))}" for one in status.feeds]
    if status.webhooks.enabled or status.webhooks.disabled:
        hooks = f"webhooks: {status.webhooks.in_words()}"
        lines.append(f"[red]{hooks}[/] (see `fetcher webhooks list`)" if status.webhooks.disabled else hooks)
    lines.append(
        f"[red]beat: {status.silence}[/]" if status.silence else f"beat: planned {ago(status.planned_at, now)}"
    )
    lines += [*_site(status), *_sync(status)]
    lines += [_workers(status), f"database: {escape(status.database)}"]
    return Group(*lines)


def _site(status: Status) -> list[str]:
    if status.site is None:
        return []
    fault = fault_in_words(status.site, status.now)
    if fault is not None:
        return [f"[red]site: {escape(fault)}[/]"]
    return [f"site: {escape(pass_in_words(status.site, status.now))}"]


def _sync(status: Status) -> list[str]:
    if status.sync is None:
        return []
    fault = sync_fault_in_words(status.sync, status.now)
    if fault is not None:
        return [f"[red]sync: {escape(fault)}[/]"]
    return [f"sync: {escape(sync_in_words(status.sync, status.now))}"]


def _paused(status: Status) -> list[str]:
    lines = [f"[yellow]{escape(one.in_words(status.now))}[/]" for one in status.pauses]
    return [*lines, ""] if lines else []


def _packages(status: Status) -> str:
    stats = status.stats
    counts = stats.states(status.now, status.cadence.longest)
    states = ", ".join(f"{number:,} {in_words(state)}" for state, number in reversed(list(counts.items())) if number)
    since = f" (counted {ago(stats.measured_at, status.now)}, in parts)" if stats.parts > 1 else ""
    return f"{counted(stats.packages, 'package')}{': ' if states else ''}{states}{since}"


def _next_sweep(status: Status) -> str:
    """Return the time of the next request for statistics and heads."""
    due_at = status.stats.source(Source.REPOSITORY).next_due
    if due_at is None:
        return "next sweep: none, no repository is scheduled"
    return f"next sweep: {'now' if due_at <= status.now else ago(due_at, status.now)}"


def _freshness(status: Status) -> Table:
    """Build the table of each source's age, and of failing and gone packages."""
    table = _numbers("source", "answered", "of", "p50", "p95", "oldest", "on time", "failing", "gone")
    for source in Source:
        one = status.stats.source(source)
        table.add_row(
            str(source),
            f"{one.answered:,}",
            f"{one.packages:,}",
            *(_age(one.age(share, status.now)) for share in (0.5, 0.95, 1)),
            percent(one.on_time(status.now, status.cadence.longest_of(source))),
            f"{one.failing:,}",
            f"{one.gone:,}",
        )
    return table


def _pass(status: Status) -> Table:
    """Build the table of each source's due packages, rate and forecast."""
    table = _numbers("source", "due", "overdue", "leased", "a minute", "done")
    for source in Source:
        one, ahead = status.stats.source(source), status.forecasts[source]
        overdue = one.overdue(status.now, status.cadence.longest_of(source))
        table.add_row(
            str(source),
            f"{one.due_by(status.now):,}",
            f"[red]{overdue:,}[/]" if overdue else "0",
            f"{one.leased:,}",
            f"{ahead.pace * 60:,.0f}",
            _done(one, ahead, status) if one.packages else "–",
        )
    return table


def _numbers(*columns: str) -> Table:
    """Build a table of numbers: all columns but the first are right-aligned."""
    table = plain_table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _age(age: timedelta | None) -> str:
    return "–" if age is None else span(age)


def _done(stats: SourceStats, ahead: Forecast, status: Status) -> str:
    """Return the expected end of the pass. Without beat or workers there is none, whatever was due before."""
    if not status.running:
        return "[red]stopped[/]"
    if not stats.answered:
        return "not begun"
    if ahead.keeps_up:
        return "keeps up"
    if ahead.done_at is not None:
        return ago(ahead.done_at, status.now)
    return "too slow" if ahead.pace else "[red]stopped[/]"


def _quota(status: QuotaStatus, now: datetime) -> str:
    left = f"{status.remaining:,} of {status.limit:,} left" if status.limit is not None else "no limit reported"
    reset = f", resets {ago(status.reset_at, now)}" if status.reset_at else ""
    paused = ""
    if status.paused_until:
        paused = f", [red]paused[/], resumes {ago(status.paused_until, now)}: {escape(status.pause_reason or '')}"
    name = " ".join(dict.fromkeys((status.upstream, status.resource)))
    return f"quota {name} ({escape(status.identity)}): {left}{reset}{paused}"


def _workers(status: Status) -> str:
    if status.broker_fault:
        return f"[red]workers and quota are unknown: {escape(status.broker_fault)}[/]"
    if not status.workers:
        remedy = "start `fetcher up`, or `celery --quiet -A tasks worker`"
        return f"[red]workers: none responded within a second: {remedy}[/]"
    return f"workers: {escape(', '.join(status.workers))}"


# --- JSON output ------------------------------------------------------------------------------------------------


def _json(status: Status) -> dict[str, Any]:
    stats = status.stats
    return {
        "at": status.now,
        "measured_at": stats.measured_at,
        "packages": stats.packages,
        "states": dict(stats.states(status.now, status.cadence.longest)),
        "sources": [_source_json(status, source) for source in Source],
        "failing": dict(stats.failures),
        "shared_repositories": [asdict(one) for one in status.shared],
        "quota": [asdict(status) for status in status.quota],
        "beat": {"planned_at": status.planned_at, "fault": status.silence},
        "paused": list(status.pauses),
        "webhooks": asdict(status.webhooks),
        "intervals": [sweep_facts(plan) for plan in status.plans],
        "feeds": [asdict(one) for one in status.feeds],
        "workers": None if status.broker_fault else list(status.workers),
        "redis_fault": status.broker_fault,
        "running": status.running,
        "database": status.database,
        "site": status.site,
        "sync": status.sync,
    }


def _source_json(status: Status, source: Source) -> dict[str, Any]:
    one, ahead, now = status.stats.source(source), status.forecasts[source], status.now
    return {
        "source": source,
        "packages": one.packages,
        "answered": one.answered,
        "age_p50": one.age(0.5, now),
        "age_p95": one.age(0.95, now),
        "age_max": one.age(1, now),
        "interval": status.cadence.longest_of(source),
        "within_interval": one.on_time(now, status.cadence.longest_of(source)),
        "due": one.due_by(now),
        "overdue": one.overdue(now, status.cadence.longest_of(source)),
        "next_due": one.next_due,
        "leased": one.leased,
        "failing": one.failing,
        "failures": dict(one.failures),
        "gone": one.gone,
        "pace": ahead.pace,
        "keeps_up": ahead.keeps_up,
        "done_at": ahead.done_at,
    }
