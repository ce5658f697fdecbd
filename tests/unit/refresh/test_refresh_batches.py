"""Batches that adapt: a bad repository costs no neighbour, an outage is not bisected to the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.github.queries import MAX_NODES
from fetcher.github.statistics import BatchAnswer, StatisticsOutcome
from fetcher.model import RepoStats, Target
from fetcher.outcome import Deferred, Failure, Fetched, Gone, Malformed, Overloaded, Throttled, Transient, Unauthorized
from fetcher.refresh.batches import FIRST_SIZE, OUTAGE, SMALLEST, BatchSize, ask_in_batches

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


def targets(count: int) -> list[Target]:
    return [
        Target(
            number, str(number), "lease", frozenset(), repo=None, node_id=str(number), database_id=None, project=None
        )
        for number in range(count)
    ]


def fetched(target: Target) -> Fetched[RepoStats]:
    """The statistics that are this target's own: its id is in them."""
    return Fetched(
        RepoStats(
            node_id=str(target.package_id),
            database_id=target.package_id + 1,
            full_name="o/n",
            stars=1,
            forks=1,
            watchers=1,
            description="",
            archived=False,
            disabled=False,
            empty=True,
            default_branch=None,
            head_oid=None,
            head_committed_at=None,
            pushed_at=None,
        )
    )


@dataclass
class GitHub:
    """Answers queries about numbered repositories, some of which it cannot bear."""

    poison: Collection[int] = ()
    failure: Failure = field(default=Overloaded("502"))
    seconds: float = 0.1
    bears: int = MAX_NODES
    """Larger queries are too much for it, whatever is in them."""
    lost: Callable[[int, int], bool] = lambda package_id, place: False
    """Who does not come back: by package id and place in the query."""
    queries: list[list[int]] = field(default_factory=list)

    async def query(self, batch: Sequence[Target]) -> BatchAnswer | Failure | Deferred:
        ids = [target.package_id for target in batch]
        self.queries.append(ids)
        assert 0 < len(ids) <= MAX_NODES
        if len(ids) > self.bears or set(ids) & set(self.poison):
            return self.failure
        outcomes: list[StatisticsOutcome] = [
            Overloaded("missing") if self.lost(target.package_id, place) else fetched(target)
            for place, target in enumerate(batch)
        ]
        return BatchAnswer(tuple(outcomes), self.seconds)


failures = st.sampled_from([Overloaded("502"), Transient("500"), Malformed("<html>")])


@given(st.integers(1, 150), st.sets(st.integers(0, 149), max_size=3), failures)
@settings(max_examples=300)
async def test_a_few_bad_repositories_cost_no_neighbour(count: int, poison: set[int], failure: Failure) -> None:
    """Wherever up to three stand that make any query fail, all others get their own answer in the same pass."""
    github = GitHub(poison, failure)
    everybody = targets(count)
    outcomes = await ask_in_batches(everybody, github.query, BatchSize())
    for target in everybody:
        expected = failure if target.package_id in poison else fetched(target)
        assert outcomes[target.package_id] == expected
    assert len(github.queries) <= 4 + 16 * (1 + len(poison))


@given(st.integers(1, 150), st.sets(st.integers(0, 149), max_size=4), failures)
async def test_more_bad_repositories_do_not_starve_their_neighbours(
    count: int, poison: set[int], failure: Failure
) -> None:
    """Where many bad ones look like an outage, the next passes take smaller steps, until only the bad are left."""
    github, size, left = GitHub(poison, failure), BatchSize(), targets(count)
    for _ in range(6):
        outcomes = await ask_in_batches(left, github.query, size)
        left = [target for target in left if not isinstance(outcomes[target.package_id], Fetched)]
    assert {target.package_id for target in left} == {number for number in poison if number < count}


@given(st.integers(1, 1_000), failures)
async def test_an_outage_is_not_bisected_to_the_end(count: int, failure: Failure) -> None:
    """Where every query fails, a handful of them settles the matter, and everybody has the failure."""
    github = GitHub(poison=range(count), failure=failure)
    outcomes = await ask_in_batches(targets(count), github.query, BatchSize())
    assert set(outcomes) == set(range(count))
    assert set(outcomes.values()) == {failure}
    assert len(github.queries) <= 2 * OUTAGE
    assert sum(len(query) > 1 for query in github.queries) <= OUTAGE


@given(st.integers(1, 300))
async def test_an_answer_with_nothing_in_it_is_an_outage_too(count: int) -> None:
    """Answers without an error in which nobody comes back are given up as well."""
    github = GitHub(lost=lambda package_id, place: True)
    outcomes = await ask_in_batches(targets(count), github.query, BatchSize())
    assert set(outcomes) == set(range(count))
    assert all(isinstance(outcome, Overloaded) for outcome in outcomes.values())
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
async def test_a_pass_ends_at_once_when_told_to_wait(outcome: Failure | Deferred, after: int) -> None:
    """No further query is sent: what was answered stays, the rest has the outcome."""
    github = GitHub()

    async def query(batch: Sequence[Target]) -> BatchAnswer | Failure | Deferred:
        answer = await github.query(batch)
        return answer if len(github.queries) <= after else outcome

    outcomes = await ask_in_batches(targets(200), query, BatchSize())
    assert len(github.queries) == after + 1
    answered = set(github.queries[0]) if after else set()
    assert set(outcomes) == set(range(200))
    assert all(isinstance(outcomes[n], Fetched) == (n in answered) for n in range(200))
    assert {outcomes[n] for n in range(200) if n not in answered} == {outcome}


@given(st.integers(1, 200), st.integers(1, 60))
async def test_silent_truncation_is_asked_again(count: int, told: int) -> None:
    """Whoever did not come back is asked for again, until everybody has; nobody gets another's answer."""
    github = GitHub(lost=lambda package_id, place: place >= told)
    outcomes = await ask_in_batches(targets(count), github.query, BatchSize())
    assert outcomes == {target.package_id: fetched(target) for target in targets(count)}


async def test_one_that_never_comes_back_stands_alone() -> None:
    """It is asked once more by itself and keeps its verdict; the others were asked once."""
    github = GitHub(lost=lambda package_id, place: package_id == 7)
    outcomes = await ask_in_batches(targets(50), github.query, BatchSize())
    assert isinstance(outcomes[7], Overloaded)
    assert github.queries == [list(range(50)), [7]]
    assert sum(isinstance(outcome, Fetched) for outcome in outcomes.values()) == 49


async def test_nobody_is_asked_for_nobody() -> None:
    """Without targets there is no query."""
    github = GitHub()
    assert await ask_in_batches([], github.query, BatchSize()) == {}
    assert github.queries == []


async def test_sizes_grow_while_answers_are_quick() -> None:
    """From near 50 by half to the most that a query takes, and no further."""
    github = GitHub()
    await ask_in_batches(targets(500), github.query, BatchSize())
    assert [len(query) for query in github.queries] == [50, 75, 100, 100, 100, 75]


async def test_sizes_stay_while_answers_take_their_time() -> None:
    """Between quick and slow nothing changes."""
    github = GitHub(seconds=2.5)
    await ask_in_batches(targets(150), github.query, BatchSize())
    assert [len(query) for query in github.queries] == [50, 50, 50]


async def test_sizes_shrink_when_answers_are_slow() -> None:
    """By a quarter each time, and not below the smallest."""
    size = BatchSize()
    github = GitHub(seconds=4.0)
    await ask_in_batches(targets(200), github.query, size)
    assert [len(query) for query in github.queries][:4] == [50, 37, 27, 20]
    assert size.size == SMALLEST


@pytest.mark.parametrize("bears", [30, 12, SMALLEST])
async def test_sizes_halve_until_they_are_borne(bears: int) -> None:
    """What is too much is halved, for the next query too; a process learns over batches."""
    github, size = GitHub(bears=bears), BatchSize()
    outcomes = await ask_in_batches(targets(100), github.query, size)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes.values())
    assert [len(query) for query in github.queries][:2] == [FIRST_SIZE, FIRST_SIZE // 2]
    assert size.size <= 2 * bears


@pytest.mark.parametrize("failure", [Overloaded("502"), Transient("500")])
async def test_after_an_outage_the_first_steps_are_small(failure: Failure) -> None:
    """Many bad repositories may look like an outage: small queries find their healthy neighbours the next time."""
    size = BatchSize()
    await ask_in_batches(targets(200), GitHub(range(200), failure).query, size)
    assert size.size == SMALLEST


async def test_several_missing_are_a_sign_of_too_much() -> None:
    """Answers that lose half of what was asked make the next query smaller."""
    github, size = GitHub(lost=lambda package_id, place: place >= 25), BatchSize()
    await ask_in_batches(targets(50), github.query, size)
    assert size.size <= 37


async def test_a_part_that_fails_says_nothing_of_the_size() -> None:
    """Isolating one bad repository halves the size once, and the answers to whole batches let it grow again."""
    github, size = GitHub(poison={3}), BatchSize()
    await ask_in_batches(targets(400), github.query, size)
    assert size.size >= FIRST_SIZE
