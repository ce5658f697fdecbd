"""What beat starts, and when: pure data. ``tasks`` turns it into Celery's form, ``docs/`` into a table.

Beat is a metronome and no more. What is due is known by the database, so an entry that fires late, twice or from two
beats at once does no harm, and no state of beat's own is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Entry:
    """One task that is started over and over. An entry not consumed before the next one is due expires."""

    name: str
    task: str
    every: timedelta
    why: str


PLAN_EVERY = timedelta(minutes=1)
MEASURE_EVERY = timedelta(seconds=15)
"""Two slices of 25,000 packages each time: a million has been counted anew after five minutes."""


def entries(plan_every: timedelta = PLAN_EVERY) -> tuple[Entry, ...]:
    """Every beat entry. ``plan_every`` is the setting ``FETCHER_PLAN_INTERVAL``."""
    return (
        Entry("plan", "fetcher.plan", plan_every, "claim what is due and enqueue it in batches"),
        Entry(
            "serials",
            "fetcher.serials",
            max(plan_every, timedelta(minutes=10)),
            "in large catalogues, ask the index's root once a cycle which projects have changed",
        ),
        Entry("expire", "fetcher.expire", max(plan_every, timedelta(minutes=1)), "take back what dead workers held"),
        Entry("measure", "fetcher.measure", MEASURE_EVERY, "count the next slices of a large catalogue"),
        Entry(
            "verify",
            "fetcher.verify",
            timedelta(hours=1),
            "after a first pass and every 30 days, compare a sample with participation: do merges count?",
        ),
        Entry("prune", "fetcher.prune", timedelta(minutes=30), "drop history that is older than is kept"),
    )
