"""GraphQL queries for many repositories, in batches that adapt to the response time.

A forge responds to an excessive query with 502, 504 or an error of its resource limits. A batch therefore starts small
and grows to the size whose response is expected to take ``AIM_SECONDS``. It shrinks when responses are slow. A failed
one is bisected until the repository that causes the failure is alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from fetcher.domain.outcome import Deferred, Failure, Fetched, Malformed, Overloaded, Transient

Item = TypeVar("Item")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BatchOutcome: TypeAlias = Fetched[T] | Failure | Deferred
"""The outcome of one item of a batch."""

MOST = 100
"""Most repositories in one query: GitHub's limit of ids, and the page of GitLab's connections."""

FIRST_SIZE = 50
"""Repositories in a process's first query for statistics."""

SMALLEST = 5
QUICK_SECONDS = 2.0
"""Response time of a full query that estimates assume."""

AIM_SECONDS = 2.5
"""Response time up to which a size grows."""

SLOW_SECONDS = 3.0
"""Response time above which a size shrinks."""

OUTAGE = 8
"""Consecutive failures of queries for more than one repository after which the upstream counts as the cause.

The halves of a failed batch are requested breadth first. With a single bad repository one half fails and the other
succeeds, so a few bad ones never cause this many failures in a row.
"""


@dataclass(frozen=True, slots=True)
class BatchAnswer(Generic[T_co]):
    """One outcome for each requested item, in the order of the request, and the response time in seconds."""

    outcomes: tuple[Fetched[T_co] | Failure, ...]
    seconds: float


@dataclass(slots=True)
class BatchSize:
    """Number of repositories, or of pages, in the next query. One per process, because it adapts over batches."""

    size: int = FIRST_SIZE
    most: int = MOST
    _before: tuple[int, float] | None = None
    """Size and response time of the last answered query."""

    def answered(self, asked: int, seconds: float) -> None:
        """Adapt to a response for ``asked`` repositories."""
        if seconds > SLOW_SECONDS:
            self.size = max(min(self.size, asked) * 3 // 4, SMALLEST)
        elif asked >= self.size:
            self.size = min(max(self._aimed(asked, seconds), self.size), self.most)
        self._before = asked, seconds

    def _aimed(self, asked: int, seconds: float) -> int:
        """Return the size whose response is expected to take ``AIM_SECONDS``, at most half as large again.

        A repository more is expected to take as long as one of the last growth, and at most the mean of this response:
        the time of a query that does not depend on its size never keeps it small.
        """
        if seconds >= AIM_SECONDS:
            return asked
        most, each = asked + asked // 2, seconds / asked
        if self._before is not None and self._before[0] < asked:
            smaller, quicker = self._before
            each = min(each, max(seconds - quicker, 0.0) / (asked - smaller))
        room = AIM_SECONDS - seconds
        return most if each * (most - asked) <= room else asked + max(int(room / each), 1)

    def overloaded(self, asked: int) -> None:
        """Adapt to an excessive query. The failure of a smaller batch does not change the size."""
        if asked >= self.size:
            self.size = max(self.size // 2, SMALLEST)

    def gave_up(self) -> None:
        """Return to the smallest size after an outage or a similar failure."""
        self.size = SMALLEST


async def request_in_batches(
    items: Sequence[Item],
    send: Callable[[Sequence[Item]], Awaitable[BatchAnswer[T] | Failure | Deferred]],
    size: BatchSize,
) -> list[BatchOutcome[T]]:
    """Send queries until every item has an outcome; returns the outcomes in the order of ``items``."""
    outcomes: dict[int, BatchOutcome[T]] = {}
    waiting = deque([list(range(len(items)))] if items else [])
    failures = 0
    while waiting:
        full = waiting.popleft()
        batch, rest = full[: size.size], full[size.size :]
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
    """Adapt to a response: one missing item is its own fault, several mean that the query is too large."""
    if missing > 1:
        size.overloaded(asked)
    else:
        size.answered(asked, seconds)


def _halves(batch: list[int]) -> tuple[list[int], list[int]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
