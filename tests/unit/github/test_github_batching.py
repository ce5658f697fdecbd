"""Adaptive batches: a bad item fails alone, and an outage is not bisected to the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.outcome import (
    Deferred,
    Failure,
    Fetched,
    Gone,
    Malformed,
    Overloaded,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.upstreams.batching import (
    FIRST_SIZE,
    MOST,
    OUTAGE,
    SLOW_SECONDS,
    SMALLEST,
    BatchAnswer,
    BatchSize,
    request_in_batches,
)
from fetcher.upstreams.github.queries import MAX_NODES
from tests.harness.clock import NOW
from tests.harness.examples import examples


def fetched(item: str) -> Fetched[str]:
    """Return the outcome that belongs to ``item`` and to no other."""
    return Fetched(f"value of {item}")


def items(count: int) -> list[str]:
    """Return ``count`` items, named by their indexes."""
    return [f"i{number}" for number in range(count)]


@dataclass
class GitHub:
    """A server of queries for named items that fails for some of them."""

    poison: Collection[str] = ()
    failure: Failure = field(default=Overloaded("502"))
    seconds: float = 0.1
    bears: int = MAX_NODES
    """Largest accepted query. A larger one always fails."""
    lost: Callable[[str, int], bool] = lambda item, place: False
    """Predicate of the items missing from a response, by item and index in the query."""
    queries: list[list[str]] = field(default_factory=list)

    async def query(self, batch: Sequence[str]) -> BatchAnswer[str] | Failure | Deferred:
        """Return the response to one query, which must have an item and at most GitHub's maximum."""
        self.queries.append(list(batch))
        assert 0 < len(batch) <= MAX_NODES
        if len(batch) > self.bears or set(batch) & set(self.poison):
            return self.failure
        outcomes: list[Fetched[str] | Failure] = [
            Overloaded("missing") if self.lost(item, place) else fetched(item) for place, item in enumerate(batch)
        ]
        return BatchAnswer(tuple(outcomes), self.seconds)


failures = st.sampled_from([Overloaded("502"), Transient("500"), Malformed("<html>")])


names = st.integers(0, 149).map("i{}".format)


@given(st.integers(1, 150), st.sets(names, max_size=3), failures)
@examples(3)
async def test_a_few_bad_items_cost_no_neighbour(count: int, poison: set[str], failure: Failure) -> None:
    """Up to three items at any index make their query fail, and every other item gets its own outcome."""
    github = GitHub(poison, failure)
    outcomes = await request_in_batches(items(count), github.query, BatchSize())
    assert outcomes == [failure if item in poison else fetched(item) for item in items(count)]
    assert len(github.queries) <= 4 + 16 * (1 + len(poison))


@given(st.integers(1, 150), st.sets(names, max_size=4), failures)
async def test_more_bad_items_do_not_starve_their_neighbours(count: int, poison: set[str], failure: Failure) -> None:
    """If many bad items look like an outage, the next passes take smaller steps until only the bad are left."""
    github, size, left = GitHub(poison, failure), BatchSize(), items(count)
    for _ in range(6):
        outcomes = await request_in_batches(left, github.query, size)
        left = [item for item, outcome in zip(left, outcomes, strict=True) if not isinstance(outcome, Fetched)]
    assert set(left) == poison & set(items(count))


@given(st.integers(1, 1_000), failures)
async def test_an_outage_is_not_bisected_to_the_end(count: int, failure: Failure) -> None:
    """If every query fails, a few of them end the pass, and every item has the failure."""
    github = GitHub(poison=items(count), failure=failure)
    outcomes = await request_in_batches(items(count), github.query, BatchSize())
    assert outcomes == [failure] * count
    assert len(github.queries) <= 2 * OUTAGE
    assert sum(len(query) > 1 for query in github.queries) <= OUTAGE


@given(st.integers(1, 300))
async def test_an_answer_with_nothing_in_it_is_an_outage_too(count: int) -> None:
    """Responses without an error and without any item end the pass as well."""
    github = GitHub(lost=lambda item, place: True)
    outcomes = await request_in_batches(items(count), github.query, BatchSize())
    assert len(outcomes) == count
    assert all(isinstance(outcome, Overloaded) for outcome in outcomes)
    assert len(github.queries) <= 2 * OUTAGE


@pytest.mark.parametrize(
    "outcome",
    [
        Deferred(NOW + timedelta(minutes=1), "quota"),
        Throttled("slow down"),
        Unauthorized("bad token"),
        Gone("no such thing"),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
async def test_a_pass_ends_at_once_when_throttled(outcome: Failure | Deferred, after: int) -> None:
    """No further query is sent: existing outcomes stay, and the rest has the new outcome."""
    github = GitHub()

    async def query(batch: Sequence[str]) -> BatchAnswer[str] | Failure | Deferred:
        answer = await github.query(batch)
        return answer if len(github.queries) <= after else outcome

    outcomes = await request_in_batches(items(200), query, BatchSize())
    assert len(github.queries) == after + 1
    answered = github.queries[0] if after else []
    assert outcomes == [fetched(item) if item in answered else outcome for item in items(200)]


@given(st.integers(1, 200), st.integers(1, 60))
async def test_silent_truncation_is_requested_again(count: int, shown: int) -> None:
    """A missing item is requested again until it is returned, and none gets another's outcome."""
    github = GitHub(lost=lambda item, place: place >= shown)
    outcomes = await request_in_batches(items(count), github.query, BatchSize())
    assert outcomes == [fetched(item) for item in items(count)]


async def test_one_that_never_comes_back_stands_alone() -> None:
    """A missing item is requested once more alone and keeps its outcome; the others were requested once."""
    github = GitHub(lost=lambda item, place: item == "i7")
    outcomes = await request_in_batches(items(50), github.query, BatchSize())
    assert isinstance(outcomes[7], Overloaded)
    assert github.queries == [items(50), ["i7"]]
    assert sum(isinstance(outcome, Fetched) for outcome in outcomes) == 49


async def test_equal_items_have_an_outcome_each() -> None:
    """Items are distinguished by index, so two packages of one repository both have an outcome."""
    github = GitHub(lost=lambda item, place: place >= 2)
    twice = ["a", "b", "a", "a"]
    outcomes = await request_in_batches(twice, github.query, BatchSize())
    assert outcomes == [fetched(item) for item in twice]


async def test_without_items_nothing_is_requested() -> None:
    """There is no query without items, and no outcome."""
    github = GitHub()
    assert await request_in_batches([], github.query, BatchSize()) == []
    assert github.queries == []


@pytest.mark.parametrize("count", [1, 3])
async def test_an_answer_of_another_length_is_an_error_of_ours(count: int) -> None:
    """A reader that returns fewer or more outcomes than items would shift them, and raises."""

    async def query(batch: Sequence[str]) -> BatchAnswer[str]:
        return BatchAnswer(tuple(fetched(str(n)) for n in range(count)), 0.1)

    with pytest.raises(ValueError, match="zip"):
        await request_in_batches(items(2), query, BatchSize())


async def test_sizes_grow_while_answers_are_quick() -> None:
    """The size grows by half from about 50 to the maximum of a query, and no further."""
    github = GitHub()
    await request_in_batches(items(500), github.query, BatchSize())
    assert [len(query) for query in github.queries] == [50, 75, 100, 100, 100, 75]


async def test_sizes_stay_while_answers_take_their_time() -> None:
    """The size stays for response times between quick and slow."""
    github = GitHub(seconds=2.5)
    await request_in_batches(items(150), github.query, BatchSize())
    assert [len(query) for query in github.queries] == [50, 50, 50]


@pytest.mark.parametrize(("first", "most"), [(FIRST_SIZE, MOST), (10, 70)])
@pytest.mark.parametrize("seconds", [1.5, 2.0, 2.2, 2.4])
async def test_a_constant_response_time_keeps_no_query_small(seconds: float, first: int, most: int) -> None:
    """A response of two seconds and more, whatever its size, is within the aim: the size grows to the maximum."""
    size = BatchSize(first, most)
    await request_in_batches(items(800), GitHub(seconds=seconds).query, size)
    assert size.size == most


@given(st.floats(0.02, 0.2), st.floats(0, 2))
async def test_sizes_settle_below_the_slow_response(each: float, constant: float) -> None:
    """For any constant part and any part per repository, the size settles, and its responses are not slow."""
    github, size = GitHub(), BatchSize()
    settled = []
    for _ in range(40):
        github.seconds = constant + each * size.size
        await request_in_batches(items(size.size), github.query, size)
        settled.append(constant + each * size.size)
    assert len(set(settled[-10:])) == 1
    assert settled[-1] <= SLOW_SECONDS or size.size == SMALLEST


async def test_sizes_shrink_when_answers_are_slow() -> None:
    """The size shrinks by a quarter each time, but not below the smallest."""
    size = BatchSize()
    github = GitHub(seconds=4.0)
    await request_in_batches(items(200), github.query, size)
    assert [len(query) for query in github.queries][:4] == [50, 37, 27, 20]
    assert size.size == SMALLEST


@pytest.mark.parametrize("bears", [30, 12, SMALLEST])
async def test_sizes_halve_until_they_are_borne(bears: int) -> None:
    """An excessive query is halved, and so is the next one, because a process adapts over batches."""
    github, size = GitHub(bears=bears), BatchSize()
    outcomes = await request_in_batches(items(100), github.query, size)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert [len(query) for query in github.queries][:2] == [FIRST_SIZE, FIRST_SIZE // 2]
    assert size.size <= 2 * bears


@pytest.mark.parametrize("failure", [Overloaded("502"), Transient("500")])
async def test_after_an_outage_the_first_steps_are_small(failure: Failure) -> None:
    """Many bad items may look like an outage; small queries then reach the good items next to them."""
    size = BatchSize()
    await request_in_batches(items(200), GitHub(items(200), failure).query, size)
    assert size.size == SMALLEST


async def test_several_missing_are_a_sign_of_too_much() -> None:
    """Responses that lack half of the items make the next query smaller."""
    github, size = GitHub(lost=lambda item, place: place >= 25), BatchSize()
    await request_in_batches(items(50), github.query, size)
    assert size.size <= 37


async def test_a_part_that_fails_does_not_change_the_size() -> None:
    """Isolating one bad item halves the size once, and responses to full batches let it grow again."""
    github, size = GitHub(poison={"i3"}), BatchSize()
    await request_in_batches(items(400), github.query, size)
    assert size.size >= FIRST_SIZE
