"""Options with a span, and the exit status of a command that stopped waiting."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Annotated

import typer

from fetcher.domain.spans import read_span

TEMPORARY = os.EX_TEMPFAIL
"""Exit status 75: the rest has to wait longer than ``--max-wait``, and the same command continues later."""

MAX_WAIT = timedelta(minutes=10)
"""Default of ``--max-wait``."""


def parse_span(value: str | timedelta) -> timedelta:
    """Return the span of an option's value; raise typer's error for another text."""
    if isinstance(value, timedelta):
        return value
    try:
        return read_span(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def max_wait_help(of: str) -> str:
    """Return the help text of ``--max-wait`` for a command that waits for ``of``."""
    return f"Longest wait for {of}: 90s, 10m, 1:30:00; 0: none. Then the status is {TEMPORARY}."


MaxWait = Annotated[
    timedelta,
    typer.Option(
        "--max-wait",
        metavar="SPAN",
        parser=parse_span,
        show_default="10m",
        help=max_wait_help("quota, or for a worker with --wait, without any progress"),
    ),
]
