"""``--watch``: the same figures again and again, on a screen of their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from fetcher.cli.screen import fail, out
from fetcher.domain.errors import FetcherError

EVERY = 2.0
"""Seconds between two looks."""


def check_watch(*, watch: bool, json: bool) -> None:
    """Refuse to watch where nobody could."""
    if watch and json:
        fail("--watch draws for people and --json prints for scripts: give one of them")
    if watch and not out.is_terminal:
        fail("--watch needs a terminal, and the output goes elsewhere: leave it out, or ask for --json in a loop")


def watch_until_interrupted(look: Callable[[], RenderableType]) -> None:
    """Draw what ``look`` says until Ctrl-C. A fault is shown in its place, for it may pass."""

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
