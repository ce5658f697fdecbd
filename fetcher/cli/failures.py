"""``fetcher failures`` and the commands of editors for failing packages: ``retry``, ``retire``, ``revive``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fetcher.cli.named import complete, named, named_to_fetch
from fetcher.cli.refresh import Mode, carry_out
from fetcher.cli.screen import err, out, plain_table, print_json
from fetcher.domain.formatting import ago, failure_kind
from fetcher.domain.model import FailureRow, Source, SourceState
from fetcher.domain.presentation import failures_by_kind
from fetcher.settings import read_settings
from fetcher.wiring import open_store

app = typer.Typer(help="List failing sources with the reason, the first failure and the next try.")
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
    """List failing sources with the reason, the first failure and the next try.

    Examples: fetcher failures · fetcher failures --groups · fetcher failures --json
    """
    if context.invoked_subcommand is not None:
        return
    settings, now = read_settings(), datetime.now(UTC)
    with open_store(settings) as store:
        rows = store.packages.failures()
        shared = [] if json else store.packages.shared_repositories()
    grouped = grouped_by_kind(rows)
    if json:
        print_json(grouped if groups else [_failure(row) for row in rows])
        return
    for one in shared:
        out.print(f"one repository: {escape(', '.join(one.slugs))} are all {escape(one.full_name)}")
    if not rows:
        out.print("nothing fails")
    else:
        out.print(_table_of_groups(grouped, now))
        if not groups:
            out.print("", _table_of_rows(rows, now))


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
        package_ids = named_to_fetch(store.packages, slugs or [row.slug for row in store.packages.failures()])
    if package_ids:
        carry_out(settings, package_ids, tuple(Source), Mode.NAMED, queue=queue)
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
    table = _table("outcome", "source", "packages", "times", "since", "last", "next try", "reason, for example")
    for group in groups:
        table.add_row(
            group.outcome,
            str(group.source),
            str(group.packages),
            str(group.failures),
            ago(group.first_failed_at, now),
            ago(group.last_failed_at, now),
            ago(group.next_try, now),
            escape(group.message or ""),
        )
    return table


def _table_of_rows(rows: Sequence[FailureRow], now: datetime) -> Table:
    table = _table("package", "source", "outcome", "times", "since", "last", "next try", "reason")
    for row in rows:
        state = row.state
        table.add_row(
            escape(row.slug),
            str(state.source),
            failure_kind(state),
            str(state.failures),
            ago(state.first_failed_at, now),
            ago(state.last_failed_at, now),
            ago(state.due_at, now),
            escape(state.message or ""),
        )
    return table


def _table(*columns: str) -> Table:
    """Build a table in which only the last column, the reason, wraps."""
    table = plain_table(*columns)
    table.columns[-1].no_wrap = False
    return table


def _mark(slugs: Sequence[str], *, retire_them: bool) -> None:
    with open_store(read_settings()) as store:
        package_ids, now = named(store.packages, slugs), datetime.now(UTC)
        changed = store.packages.retire(package_ids, now) if retire_them else store.packages.revive(package_ids, now)
    done = "retired" if retire_them else "revived"
    already = len(package_ids) - changed
    err.print(f"{changed} {done}" + (f", {already} so already" if already else ""))


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
