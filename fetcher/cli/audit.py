"""``fetcher audit``: the operators' actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fetcher.cli.screen import Json, err, out, print_json
from fetcher.cli.users import system_user
from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.formatting import counted
from fetcher.domain.spans import read_span
from fetcher.settings import read_settings
from fetcher.wiring import open_store

if TYPE_CHECKING:
    from fetcher.store import SqlStore

SHOWN = timedelta(days=7)
"""Age of the oldest entry that is shown without `--since`."""

EACH = 100
"""Most packages of one action that get an entry each. More get one entry with their number."""


def audit(
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="SPAN|TIME",
            show_default="7d",
            help="Age or time of the first entry: 12h, 30d, 2026-03-18, 2026-03-18T12:00:00+01:00.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the operators' actions: user, time, action and package. Entries are kept for 90 days.

    Logged are refreshes, retries, pauses, retirements, corrected addresses, removals, values given back to a site, and
    log-ins with a wrong token.

    Examples: fetcher audit · fetcher audit --since 30d --json
    """
    start = begin(since, datetime.now(UTC))
    with open_store(read_settings()) as store:
        entries = store.audit.since(start)
    if json:
        print_json(entries)
        return
    if not entries:
        err.print(f"no action since {start:%Y-%m-%d %H:%M} UTC")
    for one in entries:
        user = f"{one.actor}@{one.address}" if one.address else one.actor
        words = [f"{one.at:%Y-%m-%d %H:%M:%S}", user, str(one.action), one.package, one.detail]
        out.print(escape("  ".join(word for word in words if word)))


def begin(since: str | None, now: datetime) -> datetime:
    """Return the time of the first entry; raise typer's error for another form."""
    try:
        return now - (SHOWN if since is None else read_span(since))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(since or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("expected 12h, 30d or a time such as 2026-03-18", param_hint="--since") from None


def log_action(
    store: SqlStore, action: Action, package_ids: Sequence[int], now: datetime, *, detail: str | None = None
) -> None:
    """Append an entry for each package by the system's user, or one entry for many packages."""
    if len(package_ids) > EACH:
        words = counted(len(package_ids), "package")
        detail = f"{words}, {detail}" if detail else words
        store.audit.append([AuditEntry(now, system_user(), action, detail=detail)])
    else:
        log_slugs(store, action, sorted(store.packages.slugs(package_ids).values()), now, detail=detail)


def log_slugs(store: SqlStore, action: Action, slugs: Sequence[str], now: datetime, *, detail: str | None) -> None:
    """Append an entry for each slug, which may be a removed package's."""
    user = system_user()
    store.audit.append([AuditEntry(now, user, action, slug, detail) for slug in slugs])
