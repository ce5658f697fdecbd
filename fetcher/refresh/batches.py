"""Statistics of many repositories at once: batches that adapt, and a bad repository that costs no neighbour.

GitHub answers a query that is too much for it with 502, 504 or an error of its resource limits, and docks points for
it. So a batch starts near 50, grows while answers come quickly, halves when they do not, and is bisected until the
repository that spoils it stands alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fetcher.github.queries import MAX_NODES
from fetcher.github.statistics import BatchAnswer, StatisticsOutcome
from fetcher.model import Target
from fetcher.outcome import Deferred, Failure, Malformed, Overloaded, Transient

T = TypeVar("T")

FIRST_SIZE = 50
QUICK_SECONDS = 2.0
SLOW_SECONDS = 3.0
OUTAGE = 4
"""Queries in a row that fail whole before the upstream, not a repository, is taken for the cause."""

BatchOutcome = StatisticsOutcome | Deferred
Query = Callable[[Sequence[Target]], Awaitable[tuple[BatchAnswer | Failure | Deferred, float]]]
"""Asks for some targets; returns the answer and the seconds that it took."""


@dataclass(slots=True)
class BatchSize:
    """How many repositories the next query asks for. One a process: it learns over batches."""

    size: int = FIRST_SIZE

    def answered(self, asked: int, seconds: float) -> None:
        """Learn from a whole answer to ``asked`` repositories."""
        if seconds > SLOW_SECONDS:
            self.size = max(min(self.size, asked) * 3 // 4, 1)
        elif seconds <= QUICK_SECONDS and asked >= self.size:
            self.size = min(self.size + max(self.size // 2, 1), MAX_NODES)

    def overloaded(self, asked: int) -> None:
        """Learn from a query that was too much."""
        self.size = max(min(self.size, asked) // 2, 1)


async def ask_in_batches(targets: Sequence[Target], query: Query, size: BatchSize) -> dict[int, BatchOutcome]:
    """An outcome for every target, by package id."""
    outcomes: dict[int, BatchOutcome] = {}
    waiting = [list(targets)] if targets else []
    failures = 0
    while waiting:
        batch, rest = _take(waiting.pop(), size.size)
        if rest:
            waiting.append(rest)
        answer, seconds = await query(batch)
        if isinstance(answer, BatchAnswer):
            failures = 0
            size.answered(len(batch), seconds)
            again = _sort_out(batch, answer, outcomes)
            waiting.extend(_halves(again) if len(again) == len(batch) else [again] if again else [])
            continue
        failures += 1
        if isinstance(answer, Overloaded):
            size.overloaded(len(batch))
        if isinstance(answer, Overloaded | Transient | Malformed) and len(batch) > 1 and failures < OUTAGE:
            waiting.extend(_halves(batch))
            continue
        outcomes.update({target.package_id: answer for target in batch})
        if len(batch) > 1 or failures >= OUTAGE or not isinstance(answer, Overloaded | Transient | Malformed):
            outcomes.update({target.package_id: answer for part in waiting for target in part})
            break
    return outcomes


def _sort_out(batch: Sequence[Target], answer: BatchAnswer, outcomes: dict[int, BatchOutcome]) -> list[Target]:
    """Note what came back; return what must be asked again because the answer was cut short."""
    again = []
    for target, outcome in zip(batch, answer.outcomes, strict=True):
        outcomes[target.package_id] = outcome
        if isinstance(outcome, Overloaded) and len(batch) > 1:
            again.append(target)
    return again


def _take(batch: list[Target], size: int) -> tuple[list[Target], list[Target]]:
    return batch[:size], batch[size:]


def _halves(batch: list[T]) -> list[list[T]]:
    middle = len(batch) // 2
    return [half for half in (batch[middle:], batch[:middle]) if half]
