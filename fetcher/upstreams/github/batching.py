"""GraphQL queries about many repositories at once, in batches that adapt to the time that answers take.

GitHub answers a query that is too much for it with 502, 504 or an error of its resource limits, and docks points for
it. A batch therefore starts small, grows while answers come quickly, halves when they do not, and is bisected until the
repository that causes the failure is alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from fetcher.domain.outcome import Deferred, Failure, Fetched, Malformed, Overloaded, Transient
from fetcher.upstreams.github.queries import MAX_NODES
from fetcher.upstreams.github.readers.graphql import BatchAnswer

Item = TypeVar("Item")
T = TypeVar("T")

BatchOutcome: TypeAlias = Fetched[T] | Failure | Deferred
"""The outcome of one item of a batch."""

FIRST_SIZE = 50
"""Repositories in the first query of a process about statistics."""

SMALLEST = 5
QUICK_SECONDS = 2.0
SLOW_SECONDS = 3.0
OUTAGE = 8
"""Queries in a row for more than one repository that fail before the upstream, not a repository, is the cause.

The halves of what failed are asked breadth first: of two halves, one with a single bad repository fails and the other
does not, so that a few of them never make a run as long as this, wherever they stand.
"""


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


async def request_in_batches(
    items: Sequence[Item],
    send: Callable[[Sequence[Item]], Awaitable[BatchAnswer[T] | Failure | Deferred]],
    size: BatchSize,
) -> list[BatchOutcome[T]]:
    """Send queries until every item has an outcome; returns them in the order of ``items``."""
    outcomes: dict[int, BatchOutcome[T]] = {}
    waiting = deque([list(range(len(items)))] if items else [])
    failures = 0
    while waiting:
        whole = waiting.popleft()
        batch, rest = whole[: size.size], whole[size.size :]
        if rest:
            waiting.appendleft(rest)
        answer = await send([items[place] for place in batch])
        if isinstance(answer, BatchAnswer):
            outcomes.update(zip(batch, answer.outcomes, strict=True))
            missing = [place for place in batch if isinstance(outcomes[place], Overloaded)]
            if len(missing) < len(batch):
                failures = 0
                _learn(size, len(batch), len(missing), answer.seconds)
                waiting.extend([missing] if missing else ())
                continue
            answer = Overloaded("nothing of what was requested came back")
        failures += len(batch) > 1
        outcomes.update(dict.fromkeys(batch, answer))
        if isinstance(answer, Overloaded):
            size.overloaded(len(batch))
        if failures >= OUTAGE:
            size.gave_up()
        if failures >= OUTAGE or not isinstance(answer, Overloaded | Transient | Malformed):
            outcomes.update({place: answer for part in waiting for place in part})
            break
        if len(batch) > 1:
            waiting.extend(_halves(batch))
    return [outcomes[place] for place in range(len(items))]


def _learn(size: BatchSize, asked: int, missing: int, seconds: float) -> None:
    """Adapt to an answer: one missing item is at fault itself, several are a sign of too large a query."""
    if missing > 1:
        size.overloaded(asked)
    else:
        size.answered(asked, seconds)


def _halves(batch: list[int]) -> tuple[list[int], list[int]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
