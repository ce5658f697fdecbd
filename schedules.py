"""Entries of beat's schedule, as pure data for the Celery configuration and the documentation.

Beat only triggers tasks; the database decides what is due. An entry that fires late, twice or from two beats therefore
does no harm, and beat stores no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Entry:
    """A periodic task. An entry not consumed before the next one is due expires."""

    name: str
    task: str
    every: timedelta
    why: str


PLAN_EVERY = timedelta(minutes=1)
FEED_EVERY = timedelta(minutes=2)
"""The feed of a busy index covers some minutes. Polls that are further apart have gaps."""

CHANGES_EVERY = timedelta(seconds=15)
"""A worker that records a change starts the sender itself. This is for edits by commands, retries and lost messages."""
SWEEPS_PLANS = 5
"""Plans between two computations of the intervals."""
MEASURE_EVERY = timedelta(seconds=15)
"""Two slices of 25,000 packages are counted each time: a million packages take five minutes."""


def entries(plan_every: timedelta = PLAN_EVERY) -> tuple[Entry, ...]:
    """Return every beat entry. ``plan_every`` is the setting ``FETCHER_PLAN_INTERVAL``."""
    return (
        Entry("plan", "fetcher.plan", plan_every, "claim due packages and enqueue them in batches"),
        Entry(
            "sweeps",
            "fetcher.sweeps",
            SWEEPS_PLANS * plan_every,
            "compute the intervals of statistics and heads from the quota and the catalogue",
        ),
        Entry(
            "serials",
            "fetcher.serials",
            max(plan_every, timedelta(minutes=10)),
            "in large catalogues, request the index's root once a cycle to find changed projects",
        ),
        Entry("feed", "fetcher.feed", min(2 * plan_every, FEED_EVERY), "poll the index's feed of new releases"),
        Entry(
            "expire", "fetcher.expire", max(plan_every, timedelta(minutes=1)), "release expired leases of lost workers"
        ),
        Entry(
            "site",
            "fetcher.site",
            plan_every,
            "read a site's own database and write the columns that differ; nothing without FETCHER_SITE_URL",
        ),
        Entry(
            "sync",
            "fetcher.sync",
            plan_every,
            "read FETCHER_SYNC_SOURCE when FETCHER_SYNC_INTERVAL has passed; nothing without it",
        ),
        Entry("changes", "fetcher.changes", CHANGES_EVERY, "number committed changes, and start due webhooks"),
        Entry("measure", "fetcher.measure", MEASURE_EVERY, "count the next slices of a large catalogue"),
        Entry(
            "verify",
            "fetcher.verify",
            timedelta(hours=1),
            "after a first pass and every 30 days, compare a sample with participation to decide whether merges count",
        ),
        Entry(
            "prune",
            "fetcher.prune",
            timedelta(minutes=30),
            "delete expired history, events, requests, audit entries, changes and webhooks' log",
        ),
    )
