"""``--watch``: a full-screen display that is refreshed every ``EVERY`` seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from fetcher.cli.screen import fail, out
from fetcher.domain.errors import FetcherError

EVERY = 2.0
"""Seconds between two refreshes of the display."""


def check_watch(*, watch: bool, json: bool) -> None:
    """Fail if ``--watch`` is combined with ``--json`` or stdout is not a terminal."""
    if watch and json:
        fail("--watch and --json exclude each other: give one of them")
    if watch and not out.is_terminal:
        fail("--watch needs a terminal as its output: leave it out, or run with --json in a loop")


def watch_until_interrupted(look: Callable[[], RenderableType]) -> None:
    """Draw the result of ``look`` until Ctrl-C. An error is shown in its place, because it may be temporary."""

    def seen() -> RenderableType:
        try:
            return look()
        except FetcherError as error:
            return Text(f"error: {error}", style="bold red")

    try:
        with Live(seen(), console=out, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(EVERY)
                live.update(seen(), refresh=True)
    except KeyboardInterrupt:
        return
