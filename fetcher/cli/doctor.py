"""``fetcher doctor``: checks of all dependencies, with a remedy for each failure."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated

import typer
from rich.markup import escape

from fetcher.broker import check_redis, embedded_redis_runs
from fetcher.cli.screen import out, print_json
from fetcher.cli.site import check_lines
from fetcher.domain.errors import FetcherError
from fetcher.domain.forges import StoredForge
from fetcher.domain.formatting import counted, silence, span
from fetcher.domain.sync_report import sync_fault_in_words, sync_in_words
from fetcher.http.messages import Answer, Response
from fetcher.http.transport import HttpTransport
from fetcher.misspelt import spelling_warnings
from fetcher.ports import PLANNED, Checkpoint, Site
from fetcher.settings import Settings, read_settings
from fetcher.store import current_revision, open_engine, require_current
from fetcher.store.db_errors import shown
from fetcher.sync.schedule import schedule_of
from fetcher.upstreams.base import Finding, Upstream
from fetcher.upstreams.hosted.findings import contact_finding, detection_finding
from fetcher.upstreams.registry import Upstreams, upstreams_of
from fetcher.wiring import open_store, user_agent

SANE_CLOCK = timedelta(seconds=30)
"""Largest tolerated difference from the upstreams' clocks. Beyond it, pauses and resets end at the wrong time."""


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the database, Redis, the upstreams, tokens and their quotas, the clock, beat and workers; print remedies.

    Examples: fetcher doctor · fetcher doctor --json
    """
    settings = read_settings()
    dependencies = [_database(settings), _redis(settings)]
    forges = _forges(settings) if dependencies[0].ok else ()
    upstreams = upstreams_of(settings, forges)
    findings = [*_settings(), *dependencies, *asyncio.run(_upstreams(settings, upstreams))]
    findings += [*_hosts(settings, upstreams), *_running(settings, dependencies)]
    if dependencies[0].ok:
        findings += [*_notes(settings, upstreams), *_webhooks(settings), *_sync(settings)]
    findings += [Finding("site", *found) for found in check_lines(settings)]
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            sign = "[green]ok[/]  " if finding.ok else "[bold red]fail[/]"
            out.print(f"{sign} {finding.name}: {escape(finding.message)}")
            if not finding.ok:
                out.print(f"     → {escape(finding.remedy)}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _settings() -> list[Finding]:
    """Return a finding for each variable that is not a setting, and a hint for an index's address in pip's form."""
    remedy = "Correct the variable's name or unset it"
    found = [Finding("settings", False, line, remedy) for line in spelling_warnings(os.environ)]
    if os.environ.get("FETCHER_PYPI_URL", "").strip().rstrip("/").endswith("/simple"):
        hint = "FETCHER_PYPI_URL ends in /simple as for pip: the address before it is used as the index's root"
        found.append(Finding("settings", True, hint))
    return found


def _database(settings: Settings) -> Finding:
    try:
        engine = open_engine(settings.database)
        try:
            where, revision = shown(engine.url), current_revision(engine)
            if revision is None and settings.embedded_database:
                return Finding("database", True, f"{where}, created at first use")
            require_current(engine)
            return Finding("database", True, f"{where}, revision {revision}")
        finally:
            engine.dispose()
    except FetcherError as error:
        return Finding("database", False, error.message, error.remedy)


def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None and not embedded_redis_runs(settings):
        return Finding("redis", True, "embedded, starts with `fetcher up`; not running now")
    try:
        return Finding("redis", True, check_redis(settings))
    except FetcherError as error:
        return Finding("redis", False, error.message, error.remedy)


def _running(settings: Settings, dependencies: Sequence[Finding]) -> list[Finding]:
    """Check beat and the workers as ``/readyz`` does. Both are ``ok`` on an installation that was never started."""
    names = ("beat", "workers")
    if not all(finding.ok for finding in dependencies):
        return [Finding(name, False, "cannot be checked", "Fix the lines above first") for name in names]
    try:
        planned = _checkpoint(settings, PLANNED)
        planned_at = None if planned is None else planned.observed_at
        if planned_at is None or (settings.redis_url is None and not embedded_redis_runs(settings)):
            return [Finding(name, True, "not started; `fetcher up` starts everything") for name in names]
        return [_beat(planned_at, settings), _workers(settings)]
    except FetcherError as error:
        return [Finding(name, False, error.message, error.remedy) for name in names]


def _beat(planned_at: datetime, settings: Settings) -> Finding:
    message = silence(planned_at, datetime.now(UTC), settings.plan_interval, embedded=settings.redis_url is None)
    return Finding(
        "beat",
        message is None,
        message or "seen recently",
        "Start `fetcher up`, or beat: `celery --quiet -A tasks beat`",
    )


def _forges(settings: Settings) -> Sequence[StoredForge]:
    """Return the hosts of the catalogue; none without a database."""
    engine = open_engine(settings.database)
    try:
        if current_revision(engine) is None:
            return ()
    finally:
        engine.dispose()
    with open_store(settings) as store:
        return store.forges.all()


def _hosts(settings: Settings, upstreams: Upstreams) -> list[Finding]:
    """Return the findings about failed detections, and about the contact that other hosts than GitHub expect."""
    now, stored = datetime.now(UTC), upstreams.hosts.stored
    failed = [one for forge in stored for one in detection_finding(forge, forge.host, now)]
    return [*failed, *contact_finding(settings.contact, len(stored))]


def _notes(settings: Settings, upstreams: Upstreams) -> list[Finding]:
    """Return the upstreams' findings about stored checkpoints."""
    now = datetime.now(UTC)
    try:
        found = [one.notes(lambda name: _checkpoint(settings, name), now) for one in upstreams.all]
    except FetcherError as error:
        return [Finding("database", False, error.message, error.remedy)]
    return [finding for findings in found for finding in findings]


def _webhooks(settings: Settings) -> list[Finding]:
    """Return a finding about the receivers of webhooks, if there are any."""
    if _checkpoint(settings, PLANNED) is None:
        return []
    with open_store(settings) as store:
        backlog = store.webhooks.backlog()
    if not backlog.enabled + backlog.disabled:
        return []
    remedy = "`fetcher webhooks list` states the reason; `fetcher webhooks enable ID` sends again"
    return [Finding("webhooks", not backlog.disabled, backlog.in_words(), remedy)]


def _sync(settings: Settings) -> list[Finding]:
    """Return a finding about the scheduled readings of the catalogue's source, if there is one."""
    if _checkpoint(settings, PLANNED) is None:
        return []
    with open_store(settings) as store:
        schedule, now = schedule_of(settings, store.checkpoints), datetime.now(UTC)
        state = schedule.state() if schedule is not None else None
    if state is None:
        return []
    fault = sync_fault_in_words(state, now)
    return [Finding("sync", fault is None, fault or sync_in_words(state, now), "`fetcher sync` reads the source now")]


def _checkpoint(settings: Settings, name: str) -> Checkpoint | None:
    """Return a checkpoint of the store; ``None`` without a database."""
    engine = open_engine(settings.database)
    try:
        if current_revision(engine) is None:
            return None
    finally:
        engine.dispose()
    with open_store(settings) as store:
        return store.checkpoints.get(name)


def _workers(settings: Settings) -> Finding:
    from tasks.inspection import idle, queue_states  # noqa: PLC0415  (Celery takes half a second to import)

    queues = queue_states(settings)
    message = idle(queues)
    workers = {worker for queue in queues for worker in queue.consumers}
    queues_served = "`celery --quiet -A tasks worker --queues manual,background,maintenance`"
    remedy = f"Start `fetcher up`, or a worker: {queues_served}"
    return Finding("workers", message is None, message or f"{counted(len(workers), 'worker')} for all queues", remedy)


async def _upstreams(settings: Settings, upstreams: Upstreams) -> list[Finding]:
    """Check each upstream, several at the same time, and this machine's clock against theirs."""
    now, sites, findings = datetime.now(UTC), dict[str, Site](), list[Finding]()
    usable: list[Upstream] = []
    for one in upstreams.all:
        try:
            sites[one.name] = Site(one.roots, one.credential, one.public_only)
            usable.append(one)
        except FetcherError as error:
            findings.append(Finding("token", False, error.message, error.remedy))
    async with HttpTransport(sites, user_agent=user_agent(settings)) as transport:
        checked = await asyncio.gather(*(one.check(transport, now) for one in usable))
    findings += [finding for one in checked for finding in one.findings]
    return [*findings, _clock(*(one.answer for one in checked))]


def _clock(*answers: Answer) -> Finding:
    """Compare this machine's clock with the upstreams' ``Date`` headers."""
    now = datetime.now(UTC)
    for answer in answers:
        if isinstance(answer, Response) and "date" in answer.headers:
            try:
                apart = abs(now - parsedate_to_datetime(answer.headers["date"]))
            except (ValueError, TypeError):
                continue
            message = f"{span(apart)} apart from the upstreams'"
            return Finding("clock", apart <= SANE_CLOCK, message, "Set the machine's clock, for instance with NTP")
    return Finding("clock", False, "no upstream responded to compare with", "Fix the lines above first")
