"""The last pass over a site's database in words, for commands and the page. Pure."""

from __future__ import annotations

from datetime import datetime

from fetcher.domain.formatting import ago, counted, span
from fetcher.domain.sites import SitePass


def fault_in_words(done: SitePass, now: datetime) -> str | None:
    """Return the fault of the last pass, and since when passes fail; ``None`` if the last one succeeded."""
    if done.fault is None:
        return None
    since = span(now - done.failing_since) if done.failing_since is not None else "a moment"
    return f"not synchronized for {since}: {done.fault}"


def pass_in_words(done: SitePass, now: datetime) -> str:
    """Return the counters of the last pass as one line."""
    counts = {
        "changed": done.written,
        "confirmed": done.touched,
        "locked by others": done.locked,
        "refused": done.refused,
        "skipped": done.skipped,
    }
    listed = ", ".join(f"{number:,} {word}" for word, number in counts.items() if number or word == "changed")
    form = f" ({done.form})" if done.form else ""
    return f"{counted(done.packages, 'package')}{form}, compared {ago(done.finished_at, now)}: {listed}"
