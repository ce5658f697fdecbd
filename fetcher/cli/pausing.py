"""``fetcher pause``, ``fetcher resume`` and ``fetcher drain``: an operator stops work and continues it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fetcher.cli.screen import complain, err, out
from fetcher.cli.spans import MAX_WAIT, TEMPORARY, max_wait_help, parse_span
from fetcher.cli.users import system_user
from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.formatting import counted, span
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import RESUME, OperatorPause, PauseScope, pause_of
from fetcher.settings import read_settings
from fetcher.wiring import open_store

if TYPE_CHECKING:
    from fetcher.store import SqlStore

DRAINING = "drain"
"""Default reason of the pause that `fetcher drain` begins."""

LOOK_EVERY = 0.5
"""Seconds between two counts of the leased sources."""
NOTICE_EVERY = 60.0
"""Seconds between two lines about the rest."""


def pause(
    scope: Annotated[
        PauseScope, typer.Argument(help="background: planned work; all: manual refreshes as well.")
    ] = PauseScope.BACKGROUND,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, shown wherever the pause is shown.")] = ...,  # type: ignore[assignment]
    length: Annotated[
        timedelta | None,
        typer.Option(
            "--for",
            metavar="SPAN",
            parser=parse_span,
            show_default=False,
            help="Length: 90s, 10m, 2h, 1:30:00. Default: until `fetcher resume`.",
        ),
    ] = None,
) -> None:
    """Stop claiming packages, on all machines, until `resume` or for a time. Requests in progress end normally.

    Queued batches are given back to the store, and no pass over a site's own database begins. With `all`, manual
    refreshes and `fetcher site sync` are refused with the reason. Beat, workers and the page keep running, and
    `/readyz` stays ready.

    Examples: fetcher pause --why "upgrade tonight" · fetcher pause all --for 2h --why "GitHub asked us to stop"
    """
    now, reason = datetime.now(UTC), " ".join(why.split())
    if not reason:
        raise typer.BadParameter("state a reason", param_hint="--why")
    if length == timedelta(0):
        raise typer.BadParameter("must be longer than zero", param_hint="--for")
    begun = OperatorPause(scope, now, None if length is None else now + length, reason, system_user())
    with open_store(read_settings()) as store:
        _begin(store, begun)
    out.print(escape(begun.in_words(now)))


def resume() -> None:
    """End every pause. Due packages are claimed, and a site's rows compared, within a minute.

    Example: fetcher resume
    """
    now = datetime.now(UTC)
    with open_store(read_settings()) as store:
        ended = store.pauses.resume(now)
        actor = system_user()
        store.audit.append(
            [AuditEntry(now, actor, Action.RESUME, detail=f"{one.scope}: {one.reason}") for one in ended]
        )
    if not ended:
        err.print("nothing was paused")
    for one in ended:
        out.print(escape(f"resumed {one.subject}, paused for {span(now - one.since)}: {one.reason}"))


def drain(
    max_wait: Annotated[
        timedelta,
        typer.Option(
            "--max-wait",
            metavar="SPAN",
            parser=parse_span,
            show_default="10m",
            help=max_wait_help("the work in progress"),
        ),
    ] = MAX_WAIT,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason of the pause.")] = DRAINING,
) -> None:
    """Pause background work and wait until no worker holds a package: for an upgrade or a backup.

    The pause stays until `fetcher resume`. Exits with status 75 if work is still in progress after --max-wait.

    Examples: fetcher drain · fetcher drain --max-wait 2m --why "upgrade to 1.1"
    """
    with open_store(read_settings()) as store:
        now = datetime.now(UTC)
        if pause_of(store.pauses.active(now), Purpose.BACKGROUND) is None:
            _begin(store, OperatorPause(PauseScope.BACKGROUND, now, None, " ".join(why.split()), system_user()))
        left = Drain(store, lambda: datetime.now(UTC), max_wait, lambda text: err.print(escape(text))).wait()
    if left:
        complain(f"{counted(left, 'package')} still in progress after {span(max_wait)}. Background work stays paused")
        raise typer.Exit(TEMPORARY)
    out.print(f"drained: no package is in progress; {RESUME}")


@dataclass(frozen=True, slots=True)
class Drain:
    """A wait until no source is leased."""

    store: SqlStore
    now: Callable[[], datetime]
    max_wait: timedelta
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> int:
        """Return the number of packages still leased after ``max_wait``; 0 as soon as there is none."""
        began = told_at = self.now()
        while left := self.store.claims.in_progress(self.now()):
            now = self.now()
            if now - began >= self.max_wait:
                return left
            if now - told_at >= timedelta(seconds=NOTICE_EVERY):
                self.say(f"waiting until {began + self.max_wait:%H:%M:%S} UTC: {counted(left, 'package')} in progress")
                told_at = now
            self.sleep(LOOK_EVERY)
        return 0


def _begin(store: SqlStore, pause: OperatorPause) -> None:
    store.pauses.pause(pause)
    store.audit.append([AuditEntry(pause.since, pause.actor, Action.PAUSE, detail=pause.detail)])
