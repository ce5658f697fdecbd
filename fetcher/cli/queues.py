"""``fetcher queues``: waiting and running messages, throughput and consumers of each queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from fetcher.cli.screen import Json, err, out, plain_table, print_json
from fetcher.cli.status import Watch
from fetcher.cli.watching import check_watch, watch_until_interrupted
from fetcher.domain.formatting import counted, span
from fetcher.settings import read_settings

if TYPE_CHECKING:
    from tasks.inspection import QueueState


def queues(json: Json = False, watch: Watch = False) -> None:
    """Show each queue's waiting and running messages, oldest message, throughput a minute and consumers.

    Exits with status 1 if a queue has messages but no consumer.

    Examples: fetcher queues · fetcher queues --watch
    """
    check_watch(watch=watch, json=json)
    settings = read_settings()  # before the import, which reports a wrong setting as a worker does
    from tasks.inspection import queue_states  # noqa: PLC0415  (Celery takes half a second to import)

    if watch:
        watch_until_interrupted(lambda: _screen(queue_states(settings), with_shout=True))
        return
    states = queue_states(settings)
    if json:
        print_json([_json(state) for state in states])
    else:
        out.print(_screen(states))
    shout = _shout(states)
    if shout:
        err.print(shout)
        raise typer.Exit(1)


def _screen(states: Sequence[QueueState], *, with_shout: bool = False) -> RenderableType:
    now = datetime.now(UTC)
    columns = ("queue", "waiting", "oldest", "reserved", "running", "in", "out", "empty in", "consumers")
    table = plain_table(*columns)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for state in states:
        table.add_row(
            state.name,
            f"{state.waiting:,}",
            "–" if state.oldest_sent_at is None else span(now - state.oldest_sent_at),
            *("?" if number is None else f"{number:,}" for number in (state.reserved, state.running)),
            *(f"{rate * 60:,.1f}" for rate in (state.published, state.finished)),
            _empty_in(state),
            escape((",\n" if out.is_terminal else ", ").join(state.consumers)) or "[red]none[/]",
        )
    lines: list[RenderableType] = [table]
    if states and states[0].running is None:
        taken = states[0].unacknowledged
        lines.append(f"no worker responded within a second; Redis holds {taken:,} unacknowledged messages")
    shout = _shout(states)
    if with_shout and shout:
        lines.append(shout)
    return Group(*lines)


def _empty_in(state: QueueState) -> str:
    if not state.waiting:
        return "–"
    return "grows" if state.empty_in is None else span(state.empty_in)


def _shout(states: Sequence[QueueState]) -> str | None:
    stuck = [f'queue "{one.name}" has {counted(one.waiting, "message")}' for one in states if one.is_stuck]
    if not stuck:
        return None
    faults = "; ".join(f"{one} and no consumer" for one in stuck)
    return f"[bold red]error:[/] {faults}: start a worker (`fetcher up`, or `celery --quiet -A tasks worker`)"


def _json(state: QueueState) -> dict[str, Any]:
    return {**asdict(state), "empty_in": state.empty_in, "is_stuck": state.is_stuck}
