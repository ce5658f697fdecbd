"""Statistics of many repositories at once: batches that adapt, and a bad repository that costs no neighbour.

GitHub answers a query that is too much for it with 502, 504 or an error of its resource limits, and docks points for
it. So a batch starts near 50, grows while answers come quickly, halves when they do not, and is bisected until the
repository that spoils it stands alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fetcher.github.queries import MAX_NODES
from fetcher.github.statistics import BatchAnswer, StatisticsOutcome
from fetcher.model import Target
from fetcher.outcome import Deferred, Failure, Malformed, Overloaded, Transient

FIRST_SIZE = 50
SMALLEST = 5
QUICK_SECONDS = 2.0
SLOW_SECONDS = 3.0
OUTAGE = 8
"""Queries in a row for more than one repository that fail before the upstream, not a repository, is the cause.

The halves of what failed are asked breadth first: of two halves, one with a single bad repository fails and the other
does not, so that a few of them never make a run as long as this, wherever they stand.
"""

BatchOutcome = StatisticsOutcome | Deferred
Query = Callable[[Sequence[Target]], Awaitable[BatchAnswer | Failure | Deferred]]


@dataclass(slots=True)
class BatchSize:
    """How many repositories the next query asks for. One a process: it learns over batches."""

    size: int = FIRST_SIZE

    def answered(self, asked: int, seconds: float) -> None:
        """Learn from an answer to ``asked`` repositories."""
        if seconds > SLOW_SECONDS:
            self.size = max(min(self.size, asked) * 3 // 4, SMALLEST)
        elif seconds <= QUICK_SECONDS and asked >= self.size:
            self.size = min(self.size + self.size // 2, MAX_NODES)

    def overloaded(self, asked: int) -> None:
        """Learn from a query that was too much; the failure of a smaller part says nothing of the size."""
        if asked >= self.size:
            self.size = max(self.size // 2, SMALLEST)

    def gave_up(self) -> None:
        """After an outage, or what looked like one, the next pass feels its way in small steps."""
        self.size = SMALLEST


async def ask_in_batches(targets: Sequence[Target], query: Query, size: BatchSize) -> dict[int, BatchOutcome]:
    """An outcome for every target, by package id."""
    outcomes: dict[int, BatchOutcome] = {}
    waiting = deque([list(targets)] if targets else [])
    failures = 0
    while waiting:
        batch, rest = _take(waiting.popleft(), size.size)
        if rest:
            waiting.appendleft(rest)
        answer = await query(batch)
        if isinstance(answer, BatchAnswer):
            missing = _sort_out(batch, answer, outcomes)
            if len(missing) < len(batch):
                failures = 0
                _learn(size, len(batch), len(missing), answer.seconds)
                waiting.extend([missing] if missing else ())
                continue
            answer = Overloaded("nothing of what was asked for came back")
        failures += len(batch) > 1
        outcomes.update({target.package_id: answer for target in batch})
        if isinstance(answer, Overloaded):
            size.overloaded(len(batch))
        if failures >= OUTAGE:
            size.gave_up()
        if failures >= OUTAGE or not isinstance(answer, Overloaded | Transient | Malformed):
            outcomes.update({target.package_id: answer for part in waiting for target in part})
            break
        if len(batch) > 1:
            waiting.extend(_halves(batch))
    return outcomes


def _sort_out(batch: Sequence[Target], answer: BatchAnswer, outcomes: dict[int, BatchOutcome]) -> list[Target]:
    """Note what came back; return what did not, for the answer was cut short."""
    outcomes.update({target.package_id: one for target, one in zip(batch, answer.outcomes, strict=True)})
    return [target for target, one in zip(batch, answer.outcomes, strict=True) if isinstance(one, Overloaded)]


def _learn(size: BatchSize, asked: int, missing: int, seconds: float) -> None:
    """One that is missing is at fault itself; several are a sign that too much was asked for."""
    if missing > 1:
        size.overloaded(asked)
    else:
        size.answered(asked, seconds)


def _take(batch: list[Target], size: int) -> tuple[list[Target], list[Target]]:
    return batch[:size], batch[size:]


def _halves(batch: list[Target]) -> tuple[list[Target], list[Target]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
