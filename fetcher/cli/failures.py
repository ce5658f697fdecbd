"""``fetcher failures``, and an editor's word on what is to become of them: ``retry``, ``retire``, ``revive``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from fetcher.cli.named import named, named_to_fetch
from fetcher.cli.refresh import Mode, carry_out
from fetcher.cli.screen import err, out, plain_table, print_json
from fetcher.model import FailureRow, Source
from fetcher.phrases import ago, failure_kind
from fetcher.settings import read_settings
from fetcher.wiring import open_store

app = typer.Typer(help="What does not answer as it should, why, since when, and when it is asked again.")
Slugs = Annotated[list[str], typer.Argument(help="The packages.", show_default=False)]


@app.callback(invoke_without_command=True)
def failures(
    context: typer.Context, json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False
) -> None:
    """What does not answer as it should, why, since when, and when it is asked again."""
    if context.invoked_subcommand is not None:
        return
    settings, now = read_settings(), datetime.now(UTC)
    store, engine = open_store(settings)
    try:
        rows = store.failures()
    finally:
        engine.dispose()
    if json:
        print_json([_failure(row) for row in rows])
        return
    if not rows:
        out.print("nothing fails")
        return
    table = plain_table("package", "source", "outcome", "times", "since", "next try", "reason")
    table.columns[-1].no_wrap = False
    for row in rows:
        state = row.state
        table.add_row(
            escape(row.slug),
            str(state.source),
            failure_kind(row.state),
            str(state.failures),
            ago(state.first_failed_at, now),
            ago(state.due_at, now),
            escape(state.message or ""),
        )
    out.print(table)


@app.command()
def retry(
    slugs: Annotated[list[str] | None, typer.Argument(help="These packages; all that fail, if none is named.")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Hand it to the workers and return.")] = False,
) -> None:
    """Ask again now, instead of when the pauses end.

    Examples: fetcher failures retry · fetcher failures retry django-vies
    """
    settings = read_settings()
    store, engine = open_store(settings)
    try:
        package_ids = named_to_fetch(store, slugs or [row.slug for row in store.failures()])
    finally:
        engine.dispose()
    if package_ids:
        carry_out(settings, package_ids, tuple(Source), Mode.NAMED, queue=queue)
    else:
        err.print("nothing fails")


def retire(slugs: Slugs) -> None:
    """Fetch these packages no more, on an editor's word; what is known of them stays. `revive` undoes it."""
    _mark(slugs, retire_them=True)


def revive(slugs: Slugs) -> None:
    """Fetch retired packages again, beginning now."""
    _mark(slugs, retire_them=False)


def by_kind(rows: Sequence[FailureRow]) -> dict[str, int]:
    """How many sources fail in which way, most first."""
    return dict(Counter(failure_kind(row.state) for row in rows).most_common())


def _mark(slugs: Sequence[str], *, retire_them: bool) -> None:
    store, engine = open_store(read_settings())
    try:
        package_ids, now = named(store, slugs), datetime.now(UTC)
        changed = store.retire(package_ids, now) if retire_them else store.revive(package_ids, now)
    finally:
        engine.dispose()
    done = "retired" if retire_them else "revived"
    already = len(package_ids) - changed
    err.print(f"{changed} {done}" + (f", {already} so already" if already else ""))


def _failure(row: FailureRow) -> dict[str, Any]:
    state = row.state
    return {
        "slug": row.slug,
        "source": state.source,
        "outcome": failure_kind(row.state),
        "message": state.message,
        "failures": state.failures,
        "first_failed_at": state.first_failed_at,
        "last_failed_at": state.last_failed_at,
        "next_try": state.due_at,
    }
