"""``fetcher doctor``: checks of all dependencies, with a remedy for each failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from fetcher.broker import check_redis, embedded_redis_runs
from fetcher.cli.screen import out, print_json
from fetcher.domain.errors import FetcherError
from fetcher.domain.formatting import ago, counted, silence, span
from fetcher.domain.outcome import Unauthorized
from fetcher.http.messages import Answer, NoAnswer, Request, Response
from fetcher.http.transport import HttpTransport
from fetcher.ports import PLANNED, Checkpoint
from fetcher.settings import Settings, read_settings
from fetcher.store import current_revision, is_current, open_engine
from fetcher.store.faults import shown
from fetcher.upstreams.github.auth import Anonymous, credential_from
from fetcher.upstreams.github.merges import MERGES, counts_merges
from fetcher.upstreams.github.readers.classify import classify, read_quota
from fetcher.upstreams.github.readers.retirement import read_retirement
from fetcher.upstreams.github.requests import API_VERSION, api_at, rate_limit
from fetcher.upstreams.pypi import simple_request
from fetcher.wiring import open_store, user_agent

SANE_CLOCK = timedelta(seconds=30)
"""Largest tolerated difference from the upstreams' clocks. Beyond it, pauses and resets end at the wrong time."""

_UPGRADE = "Install a newer Fetcher"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. ``remedy`` is the action to take unless ``ok``."""

    name: str
    ok: bool
    said: str
    remedy: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the database, Redis, the token and its quota, PyPI, the clock, beat and workers; print remedies.

    Examples: fetcher doctor · fetcher doctor --json
    """
    settings = read_settings()
    dependencies = [_database(settings), _redis(settings)]
    findings = [*dependencies, *asyncio.run(_upstreams(settings)), *_running(settings, dependencies)]
    if dependencies[0].ok:
        findings.append(_merges(settings))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            sign = "[green]ok[/]  " if finding.ok else "[bold red]fail[/]"
            out.print(f"{sign} {finding.name}: {escape(finding.said)}")
            if not finding.ok:
                out.print(f"     → {escape(finding.remedy)}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _database(settings: Settings) -> Finding:
    try:
        engine = open_engine(settings.database)
        try:
            where, revision = shown(engine.url), current_revision(engine)
            if revision is None and settings.embedded_database:
                return Finding("database", True, f"{where}, created at first use")
            if not is_current(engine):
                message = f"{where} is at revision {revision or 'none'}"
                return Finding("database", False, message, "Run `fetcher db upgrade`")
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
        planned = _marker(settings, PLANNED)
        planned_at = None if planned is None else planned.observed_at
        if planned_at is None or (settings.redis_url is None and not embedded_redis_runs(settings)):
            return [Finding(name, True, "not started; `fetcher up` starts everything") for name in names]
        return [_beat(planned_at, settings), _workers(settings)]
    except FetcherError as error:
        return [Finding(name, False, error.message, error.remedy) for name in names]


def _beat(planned_at: datetime, settings: Settings) -> Finding:
    message = silence(planned_at, datetime.now(UTC), settings.plan_interval)
    return Finding("beat", message is None, message or "seen recently", "Start `fetcher up`, or beat: docs/runbooks.md")


def _merges(settings: Settings) -> Finding:
    """Report the result of the last comparison of commit weeks with GitHub's participation."""
    name = "merges"
    try:
        found = _marker(settings, MERGES)
    except FetcherError as error:
        return Finding(name, False, error.message, error.remedy)
    if found is None or found.outcome is None:
        message = "count in weekly commits; not compared with GitHub's figures yet (`fetcher verify` does)"
        return Finding(name, True, message)
    verb = "count" if counts_merges(found) else "do not count"
    return Finding(
        name,
        True,
        f"{verb} in weekly commits; compared {ago(found.observed_at, datetime.now(UTC))}: {found.message}",
    )


def _marker(settings: Settings, name: str) -> Checkpoint | None:
    """Return a marker of the store; ``None`` without a database."""
    engine = open_engine(settings.database)
    try:
        if current_revision(engine) is None:
            return None
    finally:
        engine.dispose()
    store, engine = open_store(settings)
    try:
        return store.checkpoint(name)
    finally:
        engine.dispose()


def _workers(settings: Settings) -> Finding:
    from tasks.inspection import idle, queue_states  # noqa: PLC0415  (Celery takes half a second to import)

    queues = queue_states(settings)
    message = idle(queues)
    workers = {worker for queue in queues for worker in queue.consumers}
    remedy = "Start `fetcher up`, or the worker that is missing: docs/runbooks.md"
    return Finding("workers", message is None, message or f"{counted(len(workers), 'worker')} for all queues", remedy)


async def _upstreams(settings: Settings) -> list[Finding]:
    try:
        credential = credential_from(settings)
    except FetcherError as error:
        return [Finding("token", False, error.message, error.remedy)]
    roots = (settings.github_api_url, settings.pypi_url)
    async with HttpTransport(credential, roots, user_agent=user_agent(settings)) as transport:
        limits = await transport.send(rate_limit(api_at(settings.github_api_url)))
        index = await transport.send(_index_request(settings))
    anonymous = isinstance(credential, Anonymous)
    github = [github_finding(limits, anonymous=anonymous), *announced_end(limits, datetime.now(UTC))]
    return [*github, _index(index, settings), _clock(limits, index)]


def _index_request(settings: Settings) -> Request:
    """Build a request for a project that may be missing: a 404 proves the index reachable as well."""
    return simple_request(settings.pypi_url, "pip")


def github_finding(answer: Answer, *, anonymous: bool) -> Finding:
    """Check the credential and its quota by GitHub's response; an unusable response is a ``github`` finding."""
    meaning = classify(answer)
    if isinstance(meaning, Unauthorized):
        remedy = "Set FETCHER_GITHUB_TOKEN to a valid token, or fix the settings of the App"
        return Finding("token", False, meaning.reason, remedy)
    if not isinstance(meaning, Response):
        reason = getattr(meaning, "reason", str(meaning))
        retired = isinstance(answer, Response) and answer.status == 410
        remedy = _UPGRADE if retired else "Check FETCHER_GITHUB_API_URL and the network"
        return Finding("github", False, reason, remedy)
    quota = read_quota(meaning)
    left = (
        f"{quota.remaining} of {quota.limit} requests left this hour" if quota else "no quota reported (an Enterprise?)"
    )
    if anonymous:
        message = f"none: GitHub's REST API only, {left} – about 15 packages an hour. Set FETCHER_GITHUB_TOKEN for more"
        return Finding("token", True, message)
    return Finding("token", True, f"valid, {left}")


def announced_end(answer: Answer, now: datetime) -> list[Finding]:
    """Report an announced end of the API version in use: one finding, or none without an announcement.

    The finding is ``ok`` until the announced date has passed.
    """
    announced = read_retirement(answer.headers) if isinstance(answer, Response) else None
    if announced is None:
        return []
    name, version, end = "api", f"version {API_VERSION} of GitHub's REST API", announced.sunset_at
    if end is None:
        return [Finding(name, True, f"{version} is deprecated; GitHub names no date for its end")]
    if end <= now:
        return [Finding(name, False, f"{version} was announced to end on {end:%Y-%m-%d}", _UPGRADE)]
    message = f"{version} is served until {end:%Y-%m-%d}, another {span(end - now)}; install a newer Fetcher before"
    return [Finding(name, True, message)]


def _index(answer: Answer, settings: Settings) -> Finding:
    name, remedy = "pypi", "Check FETCHER_PYPI_URL and the network"
    where = urlsplit(settings.pypi_url)
    address = where._replace(netloc=where.netloc.rpartition("@")[2]).geturl()  # a mirror's address may hold a password
    if isinstance(answer, NoAnswer):
        return Finding(name, False, answer.reason, remedy)
    if answer.status >= 500:
        return Finding(name, False, f"{address} returned {answer.status}", remedy)
    return Finding(name, True, f"{address} responds")


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
