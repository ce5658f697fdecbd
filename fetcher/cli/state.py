"""``fetcher status``, ``queues`` and ``failures``: how things stand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape

from fetcher.cli.screen import err, out, plain_table, print_json
from fetcher.figures import SourceFigures
from fetcher.model import Source
from fetcher.phrases import ago
from fetcher.ports import Standing
from fetcher.settings import Settings, read_settings
from fetcher.wiring import embedded_redis_runs, open_parts, open_store

Json = Annotated[bool, typer.Option("--json", help="For scripts.")]


def status(json: Json = False) -> None:
    """How fresh the catalogue is, what is due, what fails, and what is left of the quota."""
    settings, now = read_settings(), datetime.now(UTC)
    store, engine = open_store(settings)
    try:
        figures = store.figures(now, settings.refresh_interval)
        shared = store.shared_repositories()
    finally:
        engine.dispose()
    standings = asyncio.run(_standings(settings))
    if json:
        print_json(
            {
                "at": now,
                "packages": figures.packages,
                "sources": [_source(figures.source(source), now, settings.refresh_interval) for source in Source],
                "failing": figures.failures,
                "shared_repositories": [asdict(one) for one in shared],
                "quota": [asdict(standing) for standing in standings],
            }
        )
        return
    out.print(f"{figures.packages} packages")
    table = plain_table("source", "packages", "answered", "due", "leased", "failing", "oldest", "next due")
    for source in map(figures.source, Source):
        numbers = (source.packages, source.answered, source.due_by(now), source.leased, source.failing)
        table.add_row(str(source.source), *map(str, numbers), ago(source.oldest, now), ago(source.next_due, now))
    out.print(table)
    for kind, number in figures.failures.items():
        out.print(f"failing: {number} {kind.replace('_', ' ')}")
    for one in shared:
        out.print(f"one repository: {escape(', '.join(one.slugs))} are all {escape(one.full_name)}")
    for standing in standings:
        out.print(_standing(standing, now))


def queues(json: Json = False) -> None:
    """What waits in each queue, what is running, and who takes from it. A queue without a taker is shouted."""
    from tasks.inspection import queue_states  # noqa: PLC0415  (Celery takes half a second to import)

    states = queue_states(read_settings())
    if json:
        print_json([asdict(state) for state in states])
    else:
        table = plain_table("queue", "waiting", "taken by")
        for state in states:
            table.add_row(state.name, str(state.waiting), ", ".join(state.consumers) or "[red]nobody[/]")
        out.print(table)
        out.print(f"running or reserved: {states[0].unacknowledged}")
    stuck = [state.name for state in states if state.waiting and not state.consumers]
    if stuck:
        err.print(
            f"[bold red]NOBODY TAKES FROM {', '.join(stuck).upper()}[/]: start a worker (`fetcher up`, or the Procfile)"
        )
        raise typer.Exit(1)


def _source(one: SourceFigures, now: datetime, interval: timedelta) -> dict[str, object]:
    return {
        "source": one.source,
        "packages": one.packages,
        "answered": one.answered,
        "age_p50": one.age(0.5, now),
        "age_p95": one.age(0.95, now),
        "age_max": one.age(1, now),
        "within_interval": one.within(interval, now),
        "due": one.due_by(now),
        "overdue": one.overdue(now, interval),
        "next_due": one.next_due,
        "leased": one.leased,
        "failing": one.failing,
        "failures": dict(one.failures),
        "gone": one.gone,
    }


async def _standings(settings: Settings) -> Sequence[Standing]:
    """What the shared ledger knows; nothing if no Redis keeps one."""
    if settings.redis_url is None and not embedded_redis_runs(settings):
        return ()
    parts = await open_parts(settings)
    try:
        return await parts.budget.standings(parts.clock.now())
    finally:
        await parts.aclose()


def _standing(standing: Standing, now: datetime) -> str:
    left = f"{standing.remaining} of {standing.limit}" if standing.limit is not None else "not told yet"
    reset = f", resets {ago(standing.reset_at, now)}" if standing.reset_at else ""
    paused = (
        f", [red]paused[/] until {ago(standing.paused_until, now)}: {standing.pause_reason}"
        if standing.paused_until
        else ""
    )
    return f"quota {standing.resource} ({escape(standing.identity)}): {left}{reset}{paused}"
