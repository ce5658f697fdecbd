"""``fetcher failures`` and the commands of editors for failing packages: ``retry``, ``retire``, ``revive``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fetcher.cli.audit import log_action
from fetcher.cli.named import complete, named, named_to_fetch
from fetcher.cli.refresh import Mode, carry_out, check_not_paused
from fetcher.cli.screen import err, out, plain_table, print_json
from fetcher.domain.audit import Action
from fetcher.domain.formatting import ago, counted, failure_kind, span
from fetcher.domain.model import FailureRow, Purpose, Source, SourceState
from fetcher.domain.presentation import FailingPackage, failed_for, failing_packages, failures_by_kind
from fetcher.domain.site_report import fault_in_words
from fetcher.settings import Settings, read_settings
from fetcher.wiring import last_site_pass, open_store

if TYPE_CHECKING:
    from fetcher.store import SqlStore

SHOWN = 10
"""Most slugs of packages that a site's database does not get, for each reason."""

app = typer.Typer(help="List failing packages with the reason, the first failure and the next try.")
Slugs = Annotated[list[str], typer.Argument(help="The packages.", show_default=False, autocompletion=complete)]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Packages with the same failing source and the same kind of failure."""

    outcome: str
    upstream: str | None
    source: Source
    packages: int
    failures: int
    """Longest run of failures in the group."""
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    next_try: datetime | None
    message: str | None
    """The most frequent message in the group."""


@app.callback(invoke_without_command=True)
def failures(
    context: typer.Context,
    groups: Annotated[bool, typer.Option("--groups", help="Show only the counts by kind and source.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List failing packages: the kind, the first failure and the next try, then the reason of each failing source.

    Examples: fetcher failures · fetcher failures --groups · fetcher failures --json
    """
    if context.invoked_subcommand is not None:
        return
    settings, now = read_settings(), datetime.now(UTC)
    with open_store(settings) as store:
        rows = store.packages.failures()
        shared = [] if json else store.packages.shared_repositories()
        site = [] if json else _site_lines(settings, store, now)
    grouped = grouped_by_kind(rows)
    if json:
        print_json(grouped if groups else [_failure(row) for row in rows])
        return
    for one in shared:
        out.print(f"one repository: {escape(', '.join(one.slugs))} are all {escape(one.full_name)}")
    for line in site:
        out.print(escape(line))
    if not rows:
        out.print("nothing fails")
        return
    packages = failing_packages(rows)
    out.print(f"{counted(len(packages), 'package')} failing, in {counted(len(rows), 'source')}\n")
    out.print(_table_of_groups(grouped, now))
    for line in _reasons(grouped):
        out.print(line)
    for package in [] if groups else packages:
        for line in ("", *_lines(package, now)):
            out.print(line)


@app.command()
def retry(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(help="Packages to retry; default: all that fail.", autocompletion=complete),
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Enqueue it for the workers and return.")] = False,
) -> None:
    """Retry failing packages now, before their retry delay ends.

    Examples: fetcher failures retry · fetcher failures retry django-vies
    """
    settings = read_settings()
    with open_store(settings) as store:
        check_not_paused(store, Purpose.MANUAL)
        package_ids = named_to_fetch(store.packages, slugs or [row.slug for row in store.packages.failures()])
    if package_ids:
        carry_out(settings, package_ids, tuple(Source), Mode.NAMED, queue=queue, action=Action.RETRY)
    else:
        err.print("nothing fails")


def retire(slugs: Slugs) -> None:
    """Stop fetching these packages. Their stored data is kept. `revive` undoes it.

    Examples: fetcher retire django-vies · fetcher retire old-one older-one
    """
    _mark(slugs, retire_them=True)


def revive(slugs: Slugs) -> None:
    """Resume fetching retired packages now.

    Example: fetcher revive django-vies
    """
    _mark(slugs, retire_them=False)


def grouped_by_kind(rows: Iterable[FailureRow]) -> list[FailureGroup]:
    """Summarize failures by kind, upstream and source, the most frequent first."""
    alike: dict[tuple[str, str | None, Source], list[SourceState]] = defaultdict(list)
    for kind, failing in failures_by_kind(rows).items():
        for row in failing:
            alike[kind, row.state.upstream, row.state.source].append(row.state)
    groups = [_group(kind, upstream, source, states) for (kind, upstream, source), states in alike.items()]
    return sorted(groups, key=lambda group: (-group.packages, group.outcome, group.source))


def _site_lines(settings: Settings, store: SqlStore, now: datetime) -> list[str]:
    """Return the fault of a site's own database, and the packages whose rows or values it does not get."""
    last = last_site_pass(settings, store)
    if last is None:
        return []
    fault = fault_in_words(last, now)
    skipped: dict[str, list[str]] = defaultdict(list)
    for slug, reason in store.sites.skipped():
        skipped[reason].append(slug)
    lines = [f"site: {fault}"] if fault is not None else []
    for reason, slugs in sorted(skipped.items(), key=lambda item: (-len(item[1]), item[0])):
        more = f" and {len(slugs) - SHOWN:,} more" if len(slugs) > SHOWN else ""
        lines.append(f"site, {reason}: {', '.join(slugs[:SHOWN])}{more}")
    unknown = {reason: number for reason, number in last.reasons.items() if reason not in skipped}
    return lines + [f"site, {reason}: {counted(number, 'row')}" for reason, number in unknown.items()]


def _group(kind: str, upstream: str | None, source: Source, states: Sequence[SourceState]) -> FailureGroup:
    messages = Counter(state.message for state in states if state.message)
    return FailureGroup(
        outcome=kind,
        upstream=upstream,
        source=source,
        packages=len(states),
        failures=max(state.failures for state in states),
        first_failed_at=min((state.first_failed_at for state in states if state.first_failed_at), default=None),
        last_failed_at=max((state.last_failed_at for state in states if state.last_failed_at), default=None),
        next_try=min((state.due_at for state in states if state.due_at), default=None),
        message=messages.most_common(1)[0][0] if messages else None,
    )


def _table_of_groups(groups: Sequence[FailureGroup], now: datetime) -> Table:
    """Build the table of groups. Their most frequent reasons follow in lines of their own."""
    table = plain_table("outcome", "upstream", "source", "packages", "times", "since", "last", "next try")
    for group in groups:
        table.add_row(
            group.outcome,
            group.upstream or "",
            str(group.source),
            str(group.packages),
            str(group.failures),
            ago(group.first_failed_at, now),
            ago(group.last_failed_at, now),
            ago(group.next_try, now),
        )
    return table


def _reasons(groups: Sequence[FailureGroup]) -> list[str]:
    """Return each group's most frequent reason."""
    return [
        f"{' '.join(filter(None, (group.outcome, group.upstream, group.source)))}: for example, {escape(group.message)}"
        for group in groups
        if group.message
    ]


def _lines(package: FailingPackage, now: datetime) -> list[str]:
    """Return a line with the package, and an indented one with the reason of each failing source."""
    kinds = ", ".join(kind.replace("_", " ") for kind in package.kinds)
    head = (
        f"[bold]{escape(package.slug)}[/] {kinds}, since {ago(package.since, now)}, next try {_next_try(package, now)}"
    )
    return [head, *(f"    {_reason(state, now)}" for state in package.states)]


def _next_try(package: FailingPackage, now: datetime) -> str:
    at = package.next_try
    if at is None:
        return "with its repository"
    return f"due, waiting for {span(now - at)}" if at <= now else ago(at, now)


def _reason(state: SourceState, now: datetime) -> str:
    source = f"{state.source} ({state.upstream})" if state.upstream else str(state.source)
    return escape(f"{source} {failed_for(state, now)}: {state.message or failure_kind(state).replace('_', ' ')}")


def _mark(slugs: Sequence[str], *, retire_them: bool) -> None:
    with open_store(read_settings()) as store:
        package_ids, now = named(store.packages, slugs), datetime.now(UTC)
        changed = store.packages.retire(package_ids, now) if retire_them else store.packages.revive(package_ids, now)
        log_action(store, Action.RETIRE if retire_them else Action.REVIVE, package_ids, now)
    unchanged = len(package_ids) - changed
    were = "was" if unchanged == 1 else "were"
    done, other = ("retired", f"{were} retired already") if retire_them else ("revived", f"{were} not retired")
    err.print(f"{changed} {done}" + (f"; {unchanged} {other}" if unchanged else ""))


def _failure(row: FailureRow) -> dict[str, Any]:
    state = row.state
    return {
        "slug": row.slug,
        "upstream": state.upstream,
        "source": state.source,
        "outcome": failure_kind(row.state),
        "message": state.message,
        "failures": state.failures,
        "first_failed_at": state.first_failed_at,
        "last_failed_at": state.last_failed_at,
        "next_try": state.due_at,
    }
